-- Closes and erases a room, some entries at a time. Returns whether there are more.
-- KEYS: room, shard
-- ARGV: 1 reason, 2 entries, 3 whether an earlier call has closed it already, 4 the instance, if it
--       must be that one
local room, shard, janitor = KEYS[1], KEYS[2], cleaning()
local seen = redis.call('HMGET', room, 'until', 'instance')
if ARGV[3] == '0' then
  if gone(seen[1]) or ARGV[4] ~= '' and ARGV[4] ~= seen[2] then
    return {'gone'}
  end
  janitor.finish(room, seen[2], ARGV[1])
  list(room, shard, now, now + GRACE)
elseif seen[1] and seen[1] ~= '0' then
  -- Another relay has finished the erasure, and there is a new room.
  return {'ok', 0}
end
return {'ok', janitor.erase(room, shard, tonumber(ARGV[2])) and 0 or 1}
