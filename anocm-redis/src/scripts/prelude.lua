-- What every script begins with.
--
-- Times are milliseconds of the time of rooms, which relays bring along: the last argument. The
-- server's clock may be set, and serves for nothing but keys' times to live. A room is the key of
-- its hash; everything else of it has that key, a colon and more. `shard` lists the rooms of a slot
-- by when there is something to be done about them.

-- Keys outlive what they hold by this, so that a relay comes first and overwrites it.
local GRACE = 3000

local now = tonumber(table.remove(ARGV))
local clock = redis.call('TIME')
local wall = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- What the server's clock shows when a key ends that is to outlive `time` by the grace.
local function ends_at(time)
  return wall + (time - now) + GRACE
end

local function gone(ends)
  return not ends or now >= tonumber(ends)
end

-- Entries stand in the index as `seq:size`, those that began an epoch as `seq:size:c`.
local function parse(member)
  local seq, size, begins = string.match(member, '^(%d+):(%d+)(:?c?)$')
  return seq, tonumber(size), begins ~= ''
end

-- What is kept of an epoch at the place of the entry that ended it: when that entry's time is over,
-- the epoch, where it began, for how long the entry is kept, whether the epoch is settled, whether
-- the entry is a join, and the hashes of member and door.
local RECORD = '>I6I8I8I4BBc32c32'

-- What erases and ends. Functions are made anew at each run, and most appends need none of these.
local function cleaning()
  local janitor = {}

  -- Overwrites a value before it is forgotten: what is only deleted stays readable in freed memory.
  local zeros = {}
  function janitor.wipe(key)
    local length = redis.call('STRLEN', key)
    if length > 0 then
      zeros[length] = zeros[length] or string.rep('\0', length)
      redis.call('SETRANGE', key, 0, zeros[length])
      redis.call('DEL', key)
    end
  end

  function janitor.forget(room, member)
    local seq, size, begins = parse(member)
    janitor.wipe(room .. ':' .. seq)
    if begins then
      redis.call('HDEL', room .. ':e', seq)
    end
    return size
  end

  -- Erases what is due of a room, `most` entries at most. Gives whether that was all.
  function janitor.reap(room, most)
    local index = room .. ':x'
    local due = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, most)
    if #due > 0 then
      local freed = 0
      for _, member in ipairs(due) do
        freed = freed + janitor.forget(room, member)
      end
      redis.call('ZREM', index, unpack(due))
      if freed > 0 then
        redis.call('HINCRBY', room, 'bytes', -freed)
      end
    end
    return #due < most
  end

  -- Erases a room that has ended, `most` entries at most. Gives whether nothing is left.
  function janitor.erase(room, shard, most)
    local index = room .. ':x'
    local kept = redis.call('ZRANGE', index, 0, most - 1)
    if #kept > 0 then
      for _, member in ipairs(kept) do
        janitor.forget(room, member)
      end
      redis.call('ZREM', index, unpack(kept))
    end
    if #kept == most then
      return false
    end
    janitor.wipe(room .. ':d')
    local none = string.rep('\0', 32)
    redis.call('HSET', room, 'owner', none, 'door', none, 'member', none, 'shut', none)
    redis.call('DEL', room, room .. ':e', room .. ':s')
    redis.call('ZREM', shard, string.sub(room, #shard + 1))
    return true
  end

  -- Tells those who watch that the room has ended, and from then on it has.
  function janitor.finish(room, instance, reason)
    redis.call('HSET', room, 'until', 0)
    redis.call(PUBLISH, room, 'C' .. instance .. reason)
  end

  -- The group information of an epoch takes the place of another's.
  function janitor.replace(room, info, ends)
    janitor.wipe(room .. ':d')
    redis.call('SET', room .. ':d', info, 'PXAT', ends_at(ends))
  end

  -- Keeps so many bytes, zeros, beside the group information of a room: what that took before and does
  -- not take now. A void has them, also when memory is full.
  function janitor.spare(room, bytes, ends)
    local key = room .. ':s'
    if redis.call('STRLEN', key) ~= bytes then
      redis.call('DEL', key)
      if bytes > 0 then
        -- The server fills what comes before this.
        redis.call('SETRANGE', key, bytes - 1, '\0')
      end
    end
    redis.call('PEXPIREAT', key, ends_at(ends))
  end

  return janitor
end

-- Whether the server has more than its `maxmemory`, and so many tenths of that beyond it.
local function is_taken(tenths)
  local memory = redis.call('INFO', 'memory')
  local function bytes(name)
    return tonumber(string.match(memory, '\n' .. name .. ':(%d+)')) or 0
  end
  local most = bytes('maxmemory')
  -- What the server itself does not count, as buffers for replicas.
  local used = bytes('used_memory') - bytes('mem_not_counted_for_evict')
  return most > 0 and used > most + math.floor(most / 10) * tenths
end

-- Whether the tenth is taken that what begins an epoch may have: members must be removed where
-- messages are refused.
local function reserve_is_taken()
  return is_taken(1)
end

-- How large group information may be that a void restores: the largest of what entries have replaced
-- that are kept. Known of two spans as long as such an entry is kept, the one under way and the one
-- before: `from` is when the first began, `largest` and `earlier` what was replaced in each.
local function restorable(span, from, largest, earlier)
  from, largest, earlier = tonumber(from or 0), tonumber(largest or 0), tonumber(earlier or 0)
  if now >= from + 2 * span then
    return now, 0, 0
  elseif now >= from + span then
    return from + span, 0, largest
  end
  return from, largest, earlier
end

-- How much longer than its room a key is held, so that not every touch has to visit every key.
local function slack(linger)
  return math.min(10000, math.max(2000, math.floor(linger / 4)))
end

-- For how long a room is kept when nobody touches it: one that nobody has joined for less.
local function lingers(linger, is_joined)
  return is_joined and linger or math.min(linger, UNJOINED_LINGER)
end

-- The list of rooms lives at least as long as they do.
local function hold(shard, ends)
  if redis.call('PEXPIRETIME', shard) < ends_at(ends) then
    redis.call('PEXPIREAT', shard, ends_at(ends))
  end
end

-- Something is to be done about a room then. The list may have been lost, and not be held yet.
local function list(room, shard, due, holds)
  if redis.call('ZADD', shard, 'LT', due, string.sub(room, #shard + 1)) == 1 then
    hold(shard, holds)
  end
end

-- What is to be added to the server's clock to give the time of rooms, since it was set; false when
-- nothing is recorded.
local function offset(shard)
  local key = shard .. ':t'
  local offset = redis.call('GET', key)
  if offset then
    -- It is needed as long as there are rooms, or a relay that knows it.
    redis.call('PEXPIRE', key, math.max(redis.call('PTTL', shard), 0) + 3600000)
  end
  return offset
end
