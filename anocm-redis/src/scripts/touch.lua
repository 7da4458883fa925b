-- Restarts the linger: the room has a connection. Returns the room's position, and until when the keys
-- of entries have to be held from now on (0: no change).
-- KEYS: room, shard
-- ARGV: 1 the instance of a room whose linger may have run out while the relay was not running
local room, shard = KEYS[1], KEYS[2]
local seen = redis.call('HMGET', room, 'until', 'holds', 'held', 'opened', 'linger', 'age',
  'instance', 'head', 'turn', 'mark', 'fork', 'joined', 'handshakes',
  'replaced_from', 'replaced', 'replaced_earlier')
if gone(seen[1]) then
  local lingered_out = seen[1] and seen[1] ~= '0' and now < seen[4] + seen[6]
  if not (lingered_out and ARGV[1] == seen[7]) then
    return {'gone'}
  end
end
if ARGV[1] ~= '' and ARGV[1] ~= seen[7] then
  -- Another room has been opened at this address since.
  return {'gone'}
end
local _, largest, earlier = restorable(tonumber(seen[13]), seen[14], seen[15], seen[16])
if seen[14] then
  local door = redis.call('STRLEN', room .. ':d')
  local spare = math.max(largest, earlier, door) - door
  if spare < redis.call('STRLEN', room .. ':s') then
    cleaning().spare(room, spare, tonumber(seen[2]))
  end
  if math.max(largest, earlier) == 0 then
    redis.call('HDEL', room, 'replaced_from', 'replaced', 'replaced_earlier')
  end
end
local linger, oldest = lingers(tonumber(seen[5]), seen[12]), seen[4] + seen[6]
local ends = math.min(now + linger, oldest)
-- A relay whose own clock stood still for a moment must not shorten the linger that other relays have
-- set.
ends = math.max(ends, tonumber(seen[1]))
redis.call('HSET', room, 'until', ends)
-- Restores the entry of a list that was lost.
redis.call('ZADD', shard, 'NX', now, string.sub(room, #shard + 1))
hold(shard, tonumber(seen[2]))
if tonumber(seen[3]) >= ends then
  return {'ok', seen[7], tonumber(seen[8]), tonumber(seen[9]), seen[10], seen[11], 0}
end
-- A little more than needed, so that not every touch has to visit every key.
local holds = math.min(ends + slack(linger), oldest)
holds = math.max(holds, tonumber(seen[2]))
redis.call('HSET', room, 'holds', holds)
hold(shard, holds)
for _, key in ipairs({room, room .. ':d', room .. ':e', room .. ':s', room .. ':x'}) do
  redis.call('PEXPIREAT', key, ends_at(holds))
end
return {'ok', seen[7], tonumber(seen[8]), tonumber(seen[9]), seen[10], seen[11], holds}
