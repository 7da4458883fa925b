-- How far a room has come: its instance, head and turn.
-- KEYS: room
local room = KEYS[1]
local seen = redis.call('HMGET', room, 'until', 'instance', 'head', 'turn')
if gone(seen[1]) then
  return {'gone'}
end
return {'ok', seen[2], tonumber(seen[3]), tonumber(seen[4])}
