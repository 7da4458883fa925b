-- Returns the door. Group information that the relay has already is omitted.
-- KEYS: room
-- ARGV: 1 the mark of the change that began the epoch whose group information the relay has
local room = KEYS[1]
local seen = redis.call('HMGET', room, 'until', 'instance', 'fork', 'epoch', 'head', 'began',
  'member', 'door', 'owner', 'largest', 'handshakes', 'linger', 'age', 'max_entries', 'max_bytes',
  'opened', 'settled', 'shut', 'shut_until', 'shut_for')
if gone(seen[1]) then
  return {'gone'}
end
local info = false
if seen[3] ~= ARGV[1] then
  info = redis.call('GET', room .. ':d')
end
return {'ok', now, info, redis.call('HVALS', room .. ':e'), seen}
