-- Notes that a member of the epoch before has proven the epoch that the join at a place began. The
-- log stays as it is, and so do its marks.
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
-- It has ended since: its record is at the place of the entry that ended it.
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
