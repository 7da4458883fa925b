-- Extends the time to live of entry keys, some at a time. Returns the cursor of the next step, 0 when
-- there is none.
-- KEYS: room
-- ARGV: 1 until when, 2 cursor, 0 at first, 3 about how many to visit
--
-- Uses a scan cursor of the index instead of a position in it: entries may be rolled back between two
-- steps, and no remaining entry must be skipped.
local room, holds = KEYS[1], tonumber(ARGV[1])
local seen = redis.call('HMGET', room, 'until', 'held')
if gone(seen[1]) then
  return {'gone'}
end
local held = tonumber(seen[2])
local next, kept = unpack(redis.call('ZSCAN', room .. ':x', ARGV[2], 'COUNT', ARGV[3]))
for i = 1, #kept, 2 do
  local death = tonumber(kept[i + 1])
  -- The other keys already have their full time to live.
  if death > held then
    local key = room .. ':' .. parse(kept[i])
    redis.call('PEXPIREAT', key, ends_at(math.min(death, holds)), 'GT')
  end
end
if next == '0' and holds > held then
  redis.call('HSET', room, 'held', holds)
end
return {'ok', next}
