-- Rolls back the entry at a sequence number, which began an epoch, and everything after it.
-- KEYS: room
-- ARGV: 1 seq, 2 member, 3 door, 4 group information, 5 a unique mark, 6 number of bytes before the
--       sealed part, 7 and 8 how long the door is shut at first, and at most; and for a join that a
--       member takes back, whose hashes are the recorded ones, 9 the member hash that was presented, 10
--       the minimum age of the join
local room, janitor = KEYS[1], cleaning()
local seen = redis.call('HMGET', room, 'until', 'epoch', 'began', 'turn', 'holds', 'instance', 'mark',
  'head', 'settled', 'shut', 'shut_for', 'handshakes',
  'replaced_from', 'replaced', 'replaced_earlier')
if gone(seen[1]) then
  return {'gone'}
end
local current, seq = tonumber(seen[2]), tonumber(ARGV[1])
local epochs, index = room .. ':e', room .. ':x'
-- The record of the epoch that it ended is stored under the same sequence number.
local record = redis.call('HGET', epochs, seq)
if not record then
  return {'stale', current}
end
local death, epoch, began, retention, settled, by_join, member, door = struct.unpack(RECORD, record)
if death <= now then
  return {'stale', current}
end
-- Returns whether the epoch that the entry began is settled. An epoch whose record is gone counts as
-- settled.
local function is_settled()
  if tonumber(seen[3]) == seq then
    return seen[9] ~= '0'
  end
  for _, later in ipairs(redis.call('HVALS', epochs)) do
    local ends, _, place, _, known = struct.unpack(RECORD, later)
    if place == seq and ends > now then
      return known ~= 0
    end
  end
  return true
end
if ARGV[9] then
  if by_join == 0 or member ~= ARGV[9] then
    return {'stale', current}
  end
  if is_settled() then
    return {'settled'}
  end
  local age = math.max(now - (death - retention), 0)
  if age < tonumber(ARGV[10]) then
    return {'early', tonumber(ARGV[10]) - age}
  end
else
  member, door = ARGV[2], ARGV[3]
end
-- Restored group information normally fits into the space reserved for it.
local _, largest, earlier = restorable(tonumber(seen[12]), seen[13], seen[14], seen[15])
largest = math.max(largest, earlier)
if #ARGV[4] > math.max(redis.call('STRLEN', room .. ':d'), largest) and reserve_is_taken() then
  return {'full'}
end
local head, members = tonumber(seen[8]), {}
if head - seq < redis.call('ZCARD', index) then
  -- Few entries have followed: probe each sequence number.
  for place = seq, head do
    local length = redis.call('STRLEN', room .. ':' .. place)
    if length > 0 then
      local begins = redis.call('HEXISTS', epochs, place) == 1
      members[#members + 1] = place .. ':' .. (length - tonumber(ARGV[6])) .. (begins and ':c' or '')
    end
  end
else
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if tonumber((parse(member))) >= seq then
      members[#members + 1] = member
    end
  end
end
local freed = 0
for _, member in ipairs(members) do
  freed = freed + janitor.forget(room, member)
  -- Whether it began an epoch is known only from a record that a later epoch may have displaced, so
  -- both forms are removed.
  redis.call('ZREM', index, member, member .. ':c')
end
for _, ended in ipairs(redis.call('HKEYS', epochs)) do
  if tonumber(ended) >= seq then
    redis.call('HDEL', epochs, ended)
  end
end
janitor.replace(room, ARGV[4], tonumber(seen[5]))
janitor.spare(room, math.max(largest, #ARGV[4]) - #ARGV[4], tonumber(seen[5]))
local turn = tonumber(seen[4]) + 1
redis.call('HSET', room, 'epoch', epoch, 'turn', turn, 'began', began, 'settled', settled,
  'member', member, 'door', door, 'mark', ARGV[5], 'fork', ARGV[5])
if by_join ~= 0 then
  -- Doubles the last lockout, if that was for the same door.
  local time = tonumber(ARGV[7])
  if seen[10] == door then
    time = math.min(2 * seen[11], tonumber(ARGV[8]))
  end
  redis.call('HSET', room, 'shut', door, 'shut_until', now + time, 'shut_for', time)
end
if freed > 0 then
  redis.call('HINCRBY', room, 'bytes', -freed)
end
redis.call(PUBLISH, room, 'V' .. seen[6] .. seen[7] .. ARGV[5]
  .. struct.pack('>I8I8I8', turn, seq, epoch))
return {'ok'}
