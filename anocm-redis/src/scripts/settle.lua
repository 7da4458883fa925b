-- Marks the epoch begun by the join at a sequence number as settled: a member of the previous epoch has
-- proven it. The log and its marks stay unchanged.
-- KEYS: room
-- ARGV: 1 seq
local room, seq = KEYS[1], tonumber(ARGV[1])
local seen = redis.call('HMGET', room, 'until', 'began', 'settled')
if gone(seen[1]) then
  return {'gone'}
end
if tonumber(seen[2]) == seq then
  if seen[3] == '0' then
    redis.call('HSET', room, 'settled', 1)
  end
  return {'ok'}
end
-- It has ended since: its record is stored under the sequence number of the entry that ended it.
local epochs = room .. ':e'
for _, place in ipairs(redis.call('HKEYS', epochs)) do
  local death, epoch, began, retention, settled, by_join, member, door =
    struct.unpack(RECORD, redis.call('HGET', epochs, place))
  if began == seq then
    if settled == 0 then
      redis.call('HSET', epochs, place,
        struct.pack(RECORD, death, epoch, began, retention, 1, by_join, member, door))
    end
    break
  end
end
return {'ok'}
