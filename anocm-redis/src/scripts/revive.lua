-- Restores a room that the server expired because its clock was set, or while the relay was not
-- running. The state is that of a relay that has received all changes. Returns 1 when the room exists
-- afterwards.
-- KEYS: room, shard
-- ARGV: 1 to 11 as for `create`, 12 when it was opened, 13 epoch, 14 sequence number where that began,
--       15 head, 16 turn, 17 mark, 18 fork, 19 whether the epoch is settled; and if the door was ever
--       shut, 20 the hash of that door, 21 until when, 22 for how long
local room, shard, janitor = KEYS[1], KEYS[2], cleaning()
local seen = redis.call('HMGET', room, 'until', 'instance')
if seen[1] then
  -- Another relay was faster, or the room has ended and was not expired.
  return {'ok', seen[2] == ARGV[1] and not gone(seen[1]) and 1 or 0}
end
local linger, age, opened = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[12])
-- Whether there was a join is not known. As a rule, the first epoch change is a join.
local is_joined = ARGV[13] ~= '0'
linger = lingers(linger, is_joined)
local ends = math.min(now + linger, opened + age)
if gone(ends) then
  return {'gone'}
end
if reserve_is_taken() then
  return {'full'}
end
local holds = math.min(ends + slack(linger), opened + age)
-- The entries have expired with it: delete leftovers that nothing would refer to.
redis.call('DEL', room .. ':x', room .. ':e', room .. ':s')
redis.call('HSET', room,
  'epoch', ARGV[13], 'head', ARGV[15], 'turn', ARGV[16], 'until', ends, 'holds', holds, 'bytes', 0,
  'max_entries', ARGV[10], 'max_bytes', ARGV[11], 'instance', ARGV[1],
  'mark', ARGV[17], 'fork', ARGV[18], 'due', ends,
  'began', ARGV[14], 'settled', ARGV[19], 'member', ARGV[4], 'door', ARGV[3], 'owner', ARGV[2],
  'held', holds, 'opened', opened, 'linger', ARGV[6], 'age', age,
  'largest', ARGV[8], 'handshakes', ARGV[9])
if is_joined then
  redis.call('HSET', room, 'joined', 1)
end
if ARGV[20] then
  redis.call('HSET', room, 'shut', ARGV[20], 'shut_until', ARGV[21], 'shut_for', ARGV[22])
end
redis.call('PEXPIREAT', room, ends_at(holds))
janitor.replace(room, ARGV[5], holds)
redis.call('ZADD', shard, ends, string.sub(room, #shard + 1))
hold(shard, holds)
return {'ok', 1}
