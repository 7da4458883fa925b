-- Takes back the entry at a place, which began an epoch, and everything after it.
-- KEYS: room
-- ARGV: 1 seq, 2 member, 3 door, 4 group information, 5 a mark that nothing else has, 6 length
--       of what stands before the sealed part
local room, janitor = KEYS[1], cleaning()
local seen = redis.call('HMGET', room, 'until', 'epoch', 'began', 'turn', 'holds', 'instance', 'mark',
  'head')
if gone(seen[1]) then
  return {'gone'}
end
local current, seq = tonumber(seen[2]), tonumber(ARGV[1])
local epochs, index = room .. ':e', room .. ':x'
-- The record of the epoch that it ended is kept beside it.
local record = redis.call('HGET', epochs, seq)
if not record then
  return {'stale', current}
end
local death, epoch, began = struct.unpack('>I6I8I8', record)
if death <= now then
  return {'stale', current}
end
local head, members = tonumber(seen[8]), {}
if head - seq < redis.call('ZCARD', index) then
  -- Not much has followed: found place by place.
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
  -- Whether it began an epoch is known from a record that a later epoch may have displaced.
  redis.call('ZREM', index, member, member .. ':c')
end
for _, ended in ipairs(redis.call('HKEYS', epochs)) do
  if tonumber(ended) >= seq then
    redis.call('HDEL', epochs, ended)
  end
end
janitor.replace(room, ARGV[4], tonumber(seen[5]))
local turn = tonumber(seen[4]) + 1
redis.call('HSET', room, 'epoch', epoch, 'turn', turn, 'began', began, 'member', ARGV[2],
  'door', ARGV[3], 'mark', ARGV[5], 'fork', ARGV[5])
if freed > 0 then
  redis.call('HINCRBY', room, 'bytes', -freed)
end
redis.call(PUBLISH, room, 'V' .. seen[6] .. seen[7] .. ARGV[5]
  .. struct.pack('>I8I8I8', turn, seq, epoch))
return {'ok'}
