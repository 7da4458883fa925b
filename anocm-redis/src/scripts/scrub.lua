-- Overwrites what earlier commands have left behind in buffers and in memory that was freed, step
-- by step.
--
-- The allocator overwrites what is freed (`junk:free`), but not what has to grow and moves. What
-- was freed last is given out again first: some of each size is taken, filled with zeros, and
-- freed again. Whole pages it gives back to the system (`dirty_decay_ms:0`).
-- KEYS: shard, one that this server has
-- ARGV: 1 zeros, longer than any entry: these fill the buffer of what comes in; 2 milliseconds for
--       which no other relay has to do the rest; 3 step, 0 if it is for these buffers only
-- Gives the next step, 0 if there is none, and zeros, which fill the buffer of what goes out.
local zeros, step, note = ARGV[1] .. string.rep('\0', 16000), tonumber(ARGV[3]), KEYS[1] .. ':wash'
local answer = string.sub(zeros, 1, 20000)
if step == 0 or step == 1 and not redis.call('SET', note, '', 'NX', 'PX', ARGV[2]) then
  return {0, answer}
end

-- As jemalloc has them.
local classes = {1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
  10240, 12288, 14336, 16384, 20480, 24576, 28672, 32768}
local size = classes[step]
if size then
  local waste
  -- A quarter of a megabyte.
  for i = 1, math.max(8, math.min(64, 262144 / size)) do
    -- All different, since Lua keeps equal ones once. It takes 25 bytes for itself. A chain, since
    -- a table that grows would leave some of what it takes as it was.
    waste = {string.sub(zeros, 1, size - 30) .. i, waste}
  end
  waste = nil
  collectgarbage()
  return {step + 1, answer}
end

-- The buffer of what scripts are answered.
redis.call('ECHO', answer)
-- What replicas are sent is held for those that come back: more of zeros than that.
local info = redis.call('INFO', 'replication')
local held = string.find(info, 'repl_backlog_active:1', 1, true)
  and tonumber(string.match(info, 'repl_backlog_size:(%d+)')) or 0
local more = (step - 1 - #classes) * #zeros <= held
if more then
  redis.call('SET', note, zeros, 'PX', ARGV[2])
end
redis.call('SET', note, '', 'PX', ARGV[2])
return {more and step + 1 or 0, answer}
