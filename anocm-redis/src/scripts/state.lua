-- Returns the position of a room: its instance, head and turn, and the marks of its last change and of
-- its last epoch change.
-- KEYS: room
local room = KEYS[1]
local seen = redis.call('HMGET', room, 'until', 'instance', 'head', 'turn', 'mark', 'fork')
if gone(seen[1]) then
  return {'gone'}
end
return {'ok', seen[2], tonumber(seen[3]), tonumber(seen[4]), seen[5], seen[6]}
