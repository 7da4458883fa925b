-- Holds the keys of entries for longer, some at a time. Gives the cursor of the next step, 0 when
-- there is none.
-- KEYS: room
-- ARGV: 1 until when, 2 cursor, 0 at first, 3 about how many to visit
--
-- A cursor of the index and no position in it: entries may be taken back between two steps, and
-- none that stays must be passed over.
local room, holds = KEYS[1], tonumber(ARGV[1])
local seen = redis.call('HMGET', room, 'until', 'held')
if gone(seen[1]) then
  return {'gone'}
end
local held = tonumber(seen[2])
local next, kept = unpack(redis.call('ZSCAN', room .. ':x', ARGV[2], 'COUNT', ARGV[3]))
for i = 1, #kept, 2 do
  local death = tonumber(kept[i + 1])
  -- The others were given all their time.
  if death > held then
    local key = room .. ':' .. parse(kept[i])
    redis.call('PEXPIREAT', key, ends_at(math.min(death, holds)), 'GT')
  end
end
if next == '0' and holds > held then
  redis.call('HSET', room, 'held', holds)
end
return {'ok', next}
