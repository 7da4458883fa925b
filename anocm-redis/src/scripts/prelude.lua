-- Common prelude of all scripts.
--
-- Times are milliseconds of room time, which relays pass as the last argument. The server's clock may
-- be set, so it serves only for the time to live of keys. A room is identified by the key of its hash;
-- its other keys are that key, a colon and a suffix. `shard` lists the rooms of a shard by when their
-- next processing is due.

-- Keys outlive their content by this, so that a relay overwrites it first.
local GRACE = 3000

local now = tonumber(table.remove(ARGV))
local clock = redis.call('TIME')
local wall = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Returns the server's clock time at which a key expires that has to outlive `time` by the grace.
local function ends_at(time)
  return wall + (time - now) + GRACE
end

local function gone(ends)
  return not ends or now >= tonumber(ends)
end

-- Index members are `seq:size`, or `seq:size:c` for entries that began an epoch.
local function parse(member)
  local seq, size, begins = string.match(member, '^(%d+):(%d+)(:?c?)$')
  return seq, tonumber(size), begins ~= ''
end

-- Record of an ended epoch, stored under the sequence number of the entry that ended it: when that
-- entry expires, the epoch, the sequence number where it began, the entry's retention, whether the
-- epoch is settled, whether the entry is a join, and the hashes of member and door.
local RECORD = '>I6I8I8I4BBc32c32'

-- Functions that erase and end rooms. Wrapped, since functions are created anew at each run and most
-- appends need none of these.
local function cleaning()
  local janitor = {}

  -- Overwrites a value before deleting it: a value that is only deleted stays readable in freed memory.
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

  -- Erases expired entries of a room, `most` entries at most. Returns whether that was all.
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

  -- Erases a room that has ended, `most` entries at most. Returns whether nothing is left.
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

  -- Ends a room and publishes its end.
  function janitor.finish(room, instance, reason)
    redis.call('HSET', room, 'until', 0)
    redis.call(PUBLISH, room, 'C' .. instance .. reason)
  end

  -- Replaces the group information with that of another epoch.
  function janitor.replace(room, info, ends)
    janitor.wipe(room .. ':d')
    redis.call('SET', room .. ':d', info, 'PXAT', ends_at(ends))
  end

  -- Reserves this many zero bytes beside the group information of a room: the space that it took before
  -- and does not take now. It lets a void succeed even when memory is full.
  function janitor.spare(room, bytes, ends)
    local key = room .. ':s'
    if redis.call('STRLEN', key) ~= bytes then
      redis.call('DEL', key)
      if bytes > 0 then
        -- The server fills the bytes before this one with zeros.
        redis.call('SETRANGE', key, bytes - 1, '\0')
      end
    end
    redis.call('PEXPIREAT', key, ends_at(ends))
  end

  return janitor
end

-- Returns whether the server uses more than its `maxmemory` plus this many tenths of it.
local function is_taken(tenths)
  local memory = redis.call('INFO', 'memory')
  local function bytes(name)
    return tonumber(string.match(memory, '\n' .. name .. ':(%d+)')) or 0
  end
  local most = bytes('maxmemory')
  -- Memory that the server itself does not count, such as replica buffers.
  local used = bytes('used_memory') - bytes('mem_not_counted_for_evict')
  return most > 0 and used > most + math.floor(most / 10) * tenths
end

-- Returns whether the reserve is used up: the tenth beyond `maxmemory` that is kept for entries that
-- begin an epoch. Members must be removable even when messages are refused.
local function reserve_is_taken()
  return is_taken(1)
end

-- Tracks the largest group information that a void may restore: the maximum of those that still kept
-- entries have replaced. There are two windows, the current and the previous one, each as long as such
-- an entry is kept: `from` is when the current one began, `largest` and `earlier` are the maxima of the
-- two.
local function restorable(span, from, largest, earlier)
  from, largest, earlier = tonumber(from or 0), tonumber(largest or 0), tonumber(earlier or 0)
  if now >= from + 2 * span then
    return now, 0, 0
  elseif now >= from + span then
    return from + span, 0, largest
  end
  return from, largest, earlier
end

-- Returns how much longer than its room a key is held, so that not every touch has to visit every key.
local function slack(linger)
  return math.min(10000, math.max(2000, math.floor(linger / 4)))
end

-- Returns how long a room is kept without a touch: a room without any join is kept for less.
local function lingers(linger, is_joined)
  return is_joined and linger or math.min(linger, UNJOINED_LINGER)
end

-- Makes the list of rooms live at least as long as its rooms.
local function hold(shard, ends)
  if redis.call('PEXPIRETIME', shard) < ends_at(ends) then
    redis.call('PEXPIREAT', shard, ends_at(ends))
  end
end

-- Schedules a room's next processing. The list may have been lost, and the new one has no time to live
-- yet.
local function list(room, shard, due, holds)
  if redis.call('ZADD', shard, 'LT', due, string.sub(room, #shard + 1)) == 1 then
    hold(shard, holds)
  end
end

-- Returns the offset that is added to the server's clock to give room time, since the clock was set;
-- false when none is recorded.
local function offset(shard)
  local key = shard .. ':t'
  local offset = redis.call('GET', key)
  if offset then
    -- It is needed as long as there are rooms, or relays that know it.
    redis.call('PEXPIRE', key, math.max(redis.call('PTTL', shard), 0) + 3600000)
  end
  return offset
end
