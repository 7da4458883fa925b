-- Does what is due in a slot: erases entries whose time has come, and rooms that have ended.
-- KEYS: shard
-- ARGV: 1 how many entries of a room at most, 2 whether rooms that have lingered out are spared for
--       now (1), since the relay did not run
-- Gives after how long there is more to do (-1: never), how many rooms there are, of how many something was
-- erased, the server's clock, and the offset of the slot.
local shard, janitor = KEYS[1], cleaning()
-- A room that is spared is looked at again after so long.
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
    -- Not before now: rooms that have more to be done take turns.
    local next = math.max(now, due and math.min(tonumber(due), ends or now) or ends or now)
    redis.call('ZADD', shard, next, name)
    -- Whoever appends something goes by this: the list never has a later time for the room. Of one
    -- that somebody has deleted there is nothing but entries, to be erased by and by.
    if ends then
      redis.call('HSET', room, 'due', next)
    end
  end
end
local next = redis.call('ZRANGE', shard, 0, 0, 'WITHSCORES')[2]
return {next and math.max(tonumber(next) - now, 0) or -1, redis.call('ZCARD', shard), done, wall,
  offset(shard)}
