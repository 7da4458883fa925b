-- Appends an entry to the log.
-- KEYS: room, shard
-- ARGV: 1 epoch, 2 retention (0: live), 3 size, 4 the entry with space for its expiry time, 5 a unique
--       mark, 6 to 9 the instance, head, turn and fork that the relay knows, and if the entry begins an
--       epoch 10 member, 11 door, 12 group information
--
-- The sealed payload is passed on as it is and never concatenated: Lua frees the memory of concatenated
-- strings without zeroing it, which would leave copies behind.
local room, shard = KEYS[1], KEYS[2]

-- Returns the epoch record to evict when there is one too many: the oldest, unless the two oldest are
-- those of the epoch that an unsettled join ended and of the epoch it began. Then it is the last one
-- before the epoch that has just ended, so that the epochs after the join stay known.
local function superfluous(epochs)
  local places = redis.call('HKEYS', epochs)
  for i, place in ipairs(places) do
    places[i] = tonumber(place)
  end
  table.sort(places)
  local _, _, began, _, settled = struct.unpack(RECORD, redis.call('HGET', epochs, places[2]))
  return places[began == places[1] and settled == 0 and #places - 1 or 1]
end

local seen = redis.call('HMGET', room, 'epoch', 'head', 'turn', 'until', 'holds', 'bytes',
  'max_entries', 'max_bytes', 'instance', 'mark', 'fork', 'due')
if gone(seen[4]) then
  return {'gone'}
end
local epoch, head, turn = tonumber(seen[1]), tonumber(seen[2]), tonumber(seen[3])
local holds, bytes = tonumber(seen[5]), tonumber(seen[6])
if ARGV[6] == seen[9] then
  -- A server that took over may know less than the relay: a sequence number is never assigned twice,
  -- and epochs never go back.
  local known = tonumber(ARGV[8])
  if turn < known or turn == known and seen[11] ~= ARGV[9] then
    cleaning().finish(room, seen[9], 'gone')
    list(room, shard, now, holds)
    return {'gone'}
  end
  head = math.max(head, tonumber(ARGV[7]))
end
if tonumber(ARGV[1]) ~= epoch then
  return {'stale', epoch}
end

local retention, size, begins = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[10] ~= nil
local takes = ALLOWS_OOM and (begins or retention > 0)
if takes and is_taken(begins and 1 or 0) then
  return {'full'}
end
local seq, death = head + 1, now + retention
local index = room .. ':x'
if retention > 0 then
  local most_entries, most_bytes = tonumber(seen[7]), tonumber(seen[8])
  if not begins then
    -- The last tenth is reserved for commits and joins.
    most_entries = most_entries - math.floor(most_entries / 10)
    most_bytes = most_bytes - math.floor(most_bytes / 10)
  end
  local entries = redis.call('ZCARD', index)
  if entries >= most_entries or bytes + size > most_bytes then
    cleaning().reap(room, 100)
    bytes, entries = tonumber(redis.call('HGET', room, 'bytes')), redis.call('ZCARD', index)
    if entries >= most_entries or bytes + size > most_bytes then
      return {'full'}
    end
  end
  local key = room .. ':' .. seq
  redis.call('SET', key, ARGV[4], 'PXAT', ends_at(math.min(death, holds)))
  redis.call('SETRANGE', key, 0, struct.pack('>I6', death))
  redis.call('ZADD', index, death, seq .. ':' .. size .. (begins and ':c' or ''))
  if entries == 0 then
    redis.call('PEXPIREAT', index, ends_at(holds))
  end
  -- An entry that expires before the room's next scheduled check moves that check forward.
  if entries == 0 or death < tonumber(seen[12]) then
    list(room, shard, death, holds)
    redis.call('HSET', room, 'due', death)
  end
  bytes = bytes + size
end

if begins then
  local old = redis.call('HMGET', room, 'began', 'settled', 'member', 'door', 'handshakes',
    'replaced_from', 'replaced', 'replaced_earlier')
  -- The kind of an entry follows its expiry time: 2 is a join.
  local is_join = string.byte(ARGV[4], 7) == 2
  if retention > 0 then
    local epochs = room .. ':e'
    local record = struct.pack(RECORD, death, epoch, old[1], retention, old[2], is_join and 1 or 0,
      old[3], old[4])
    if redis.call('HSET', epochs, seq, record) == 1 and redis.call('HLEN', epochs) > 1023 then
      redis.call('HDEL', epochs, superfluous(epochs))
    end
    redis.call('PEXPIREAT', epochs, ends_at(holds))
  end
  local janitor = cleaning()
  local from, largest, earlier = restorable(tonumber(old[5]), old[6], old[7], old[8])
  largest = math.max(largest, redis.call('STRLEN', room .. ':d'))
  janitor.replace(room, ARGV[12], holds)
  janitor.spare(room, math.max(largest, earlier, #ARGV[12]) - #ARGV[12], holds)
  turn = turn + 1
  redis.call('HSET', room, 'epoch', epoch + 1, 'turn', turn, 'head', seq, 'bytes', bytes,
    'began', seq, 'settled', is_join and 0 or 1, 'member', ARGV[10], 'door', ARGV[11],
    'mark', ARGV[5], 'fork', ARGV[5],
    'replaced_from', from, 'replaced', largest, 'replaced_earlier', earlier)
  if is_join then
    redis.call('HSET', room, 'joined', 1)
  end
else
  redis.call('HSET', room, 'head', seq, 'bytes', bytes, 'mark', ARGV[5])
end
-- Subscribers receive both messages directly after one another.
redis.call(PUBLISH, room, 'E' .. seen[9] .. seen[10] .. ARGV[5] .. struct.pack('>I8I8', turn, seq))
redis.call(PUBLISH, room, ARGV[4])
return {'ok', seq, seen[9], turn, begins and ARGV[5] or seen[11]}
