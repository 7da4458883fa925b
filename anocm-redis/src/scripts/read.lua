-- Returns kept entries after a cursor, in order, without expired ones.
-- KEYS: room
-- ARGV: 1 after, 2 until, 3 bytes of a page, 4 number of bytes before the sealed part
local room = KEYS[1]
local seen = redis.call('HMGET', room, 'until', 'head')
if gone(seen[1]) then
  return {'gone'}
end
local after, last = tonumber(ARGV[1]), math.min(tonumber(ARGV[2]), tonumber(seen[2]))
local index = room .. ':x'
if after >= last then
  return {'ok', now, last, 0, {}}
end

-- If there are few entries, they are found by the index, otherwise by probing one sequence number after
-- another.
local FEW, TRIES = 1000, 1024
local places
if redis.call('ZCARD', index) <= FEW then
  places = {}
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local seq = tonumber((parse(member)))
    if seq > after and seq <= last then
      places[#places + 1] = seq
    end
  end
  table.sort(places)
end
local tries = places and #places or math.min(last - after, TRIES)

local found, bytes, reaches = {}, 0, after
local done = 0
while done < tries do
  local keys, batch = {}, math.min(tries - done, 16)
  for i = 1, batch do
    keys[i] = room .. ':' .. (places and places[done + i] or after + done + i)
  end
  for i, value in ipairs(redis.call('MGET', unpack(keys))) do
    local seq = places and places[done + i] or after + done + i
    if value and struct.unpack('>I6', value) > now then
      bytes = bytes + #value - tonumber(ARGV[4])
      if bytes > tonumber(ARGV[3]) and #found > 0 then
        return {'ok', now, reaches, 1, found}
      end
      found[#found + 1] = {seq, value}
      reaches = seq
    end
  end
  done = done + batch
end
if places then
  return {'ok', now, last, 0, found}
end
return {'ok', now, after + tries, after + tries < last and 1 or 0, found}
