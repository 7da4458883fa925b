-- Overwrites remnants of earlier commands in buffers and in freed memory, step by step.
--
-- The allocator overwrites freed memory (`junk:free`), but not memory that is moved when it grows.
-- Memory freed last is allocated again first: some blocks of each size class are allocated, filled with
-- zeros, and freed again. Whole pages are returned to the system (`dirty_decay_ms:0`).
-- KEYS: shard, one that this server owns
-- ARGV: 1 zeros, longer than any entry: these fill the input buffer; 2 milliseconds during which other
--       relays skip the remaining steps; 3 step, 0 to overwrite only these buffers
-- Returns the next step, 0 if there is none, and zeros, which fill the output buffer.
local zeros, step, note = ARGV[1] .. string.rep('\0', 16000), tonumber(ARGV[3]), KEYS[1] .. ':wash'
local answer = string.sub(zeros, 1, 20000)
if step == 0 or step == 1 and not redis.call('SET', note, '', 'NX', 'PX', ARGV[2]) then
  return {0, answer}
end

-- The size classes of jemalloc.
local classes = {1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
  10240, 12288, 14336, 16384, 20480, 24576, 28672, 32768}
local size = classes[step]
if size then
  local waste
  -- A quarter of a megabyte.
  for i = 1, math.max(8, math.min(64, 262144 / size)) do
    -- All strings differ, since Lua interns equal ones. Lua itself takes 25 bytes for each. A chain,
    -- since a growing table would leave some of its memory unwritten.
    waste = {string.sub(zeros, 1, size - 30) .. i, waste}
  end
  waste = nil
  collectgarbage()
  return {step + 1, answer}
end

-- Overwrites the buffer of replies to commands inside scripts.
redis.call('ECHO', answer)
-- The replication backlog keeps the stream to replicas for those that reconnect: write more zeros than
-- it holds.
local info = redis.call('INFO', 'replication')
local held = string.find(info, 'repl_backlog_active:1', 1, true)
  and tonumber(string.match(info, 'repl_backlog_size:(%d+)')) or 0
local more = (step - 1 - #classes) * #zeros <= held
if more then
  redis.call('SET', note, zeros, 'PX', ARGV[2])
end
redis.call('SET', note, '', 'PX', ARGV[2])
return {more and step + 1 or 0, answer}
