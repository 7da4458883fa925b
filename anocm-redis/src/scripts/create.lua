-- Opens a room.
-- KEYS: room, shard
-- ARGV: 1 instance, 2 owner, 3 door, 4 member, 5 group information, 6 linger, 7 age, 8 largest,
--       9 handshakes, 10 max entries, 11 max bytes
local room, shard, janitor = KEYS[1], KEYS[2], cleaning()
local old = redis.call('HMGET', room, 'until', 'instance', 'opened', 'age')
if not gone(old[1]) then
  return {'in use'}
end
if old[1] and old[1] ~= '0' then
  janitor.finish(room, old[2], tonumber(old[1]) == old[3] + old[4] and 'age' or 'gone')
end
if not janitor.erase(room, shard, 1000) then
  return {'in use'}
end
local linger, age = tonumber(ARGV[6]), tonumber(ARGV[7])
local short = lingers(linger, false)
local ends = now + math.min(short, age)
local holds = math.min(ends + slack(short), now + age)
redis.call('HSET', room,
  -- The fields that every append reads come first.
  'epoch', 0, 'head', 0, 'turn', 0, 'until', ends, 'holds', holds, 'bytes', 0,
  'max_entries', ARGV[10], 'max_bytes', ARGV[11], 'instance', ARGV[1],
  'mark', ARGV[1], 'fork', ARGV[1], 'due', ends,
  'began', 0, 'settled', 1, 'member', ARGV[4], 'door', ARGV[3], 'owner', ARGV[2],
  'held', holds, 'opened', now, 'linger', linger, 'age', age,
  'largest', ARGV[8], 'handshakes', ARGV[9])
redis.call('PEXPIREAT', room, ends_at(holds))
janitor.replace(room, ARGV[5], holds)
redis.call('ZADD', shard, ends, string.sub(room, #shard + 1))
hold(shard, holds)
return {'ok'}
