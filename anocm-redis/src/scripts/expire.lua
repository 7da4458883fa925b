-- Processes what is due in a shard: erases expired entries and rooms that have ended.
-- KEYS: shard
-- ARGV: 1 the most entries of a room to erase, 2 whether rooms whose linger ran out are spared for now
--       (1), since the relay was not running
-- Returns the delay until more is due (-1: never), the number of rooms, the number of rooms processed,
-- the server's clock, and the offset of the shard.
local shard, janitor = KEYS[1], cleaning()
-- A spared room is checked again after this delay.
local SPARED_FOR = 1000
local done = 0
local most = tonumber(ARGV[1])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', shard, '-inf', now, 'LIMIT', 0, 8)) do
  local room = shard .. name
  done = done + 1
  local seen = redis.call('HMGET', room, 'until', 'instance', 'opened', 'age')
  local is_spared = ARGV[2] == '1' and seen[1] and seen[1] ~= '0' and now < seen[3] + seen[4]
  if gone(seen[1]) and not is_spared then
    if seen[1] and seen[1] ~= '0' then
      janitor.finish(room, seen[2], tonumber(seen[1]) == seen[3] + seen[4] and 'age' or 'gone')
    end
    if janitor.erase(room, shard, most) then
      name = nil
    end
  else
    janitor.reap(room, most)
  end
  if name then
    local due = redis.call('ZRANGE', room .. ':x', 0, 0, 'WITHSCORES')[2]
    local ends = tonumber(redis.call('HGET', room, 'until'))
    if is_spared then
      ends = math.max(ends, now + SPARED_FOR)
    end
    -- Not before now: rooms with more left to do take turns.
    local next = math.max(now, due and math.min(tonumber(due), ends or now) or ends or now)
    redis.call('ZADD', shard, next, name)
    -- `append` relies on this: the list never has a later time for the room than `due`. Of a room whose
    -- hash was deleted by other means only entries are left, which are erased step by step.
    if ends then
      redis.call('HSET', room, 'due', next)
    end
  end
end
local next = redis.call('ZRANGE', shard, 0, 0, 'WITHSCORES')[2]
return {next and math.max(tonumber(next) - now, 0) or -1, redis.call('ZCARD', shard), done, wall,
  offset(shard)}
