-- Holds the keys of entries for longer, some at a time, those that die last first. Says whether
-- there are more.
-- KEYS: room
-- ARGV: 1 until when, 2 how many have been visited, 3 how many to visit
local room, holds, visited, most = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local seen = redis.call('HMGET', room, 'until', 'held')
if gone(seen[1]) then
  return {'gone'}
end
local held = tonumber(seen[2])
local kept = redis.call('ZRANGE', room .. ':x', -visited - most, -visited - 1, 'WITHSCORES')
local more = #kept == 2 * most
for i = #kept - 1, 1, -2 do
  local death = tonumber(kept[i + 1])
  if death <= held then
    -- This one and all before it were given all their time.
    more = false
    break
  end
  local key = room .. ':' .. parse(kept[i])
  redis.call('PEXPIREAT', key, math.min(death, holds) + GRACE, 'GT')
end
if not more and holds > held then
  redis.call('HSET', room, 'held', holds)
end
return {'ok', more and 1 or 0}
