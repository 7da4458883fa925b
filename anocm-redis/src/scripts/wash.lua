-- Overwrites what earlier commands have left behind in buffers and in memory that was freed.
--
-- The allocator overwrites what is freed (`junk:free`), but not what has to grow and moves. What
-- was freed last is given out again first: some of each size is taken, filled with zeros, and
-- freed again.
-- KEYS: shard, one that this server has
-- ARGV: 1 zeros, longer than any entry: these fill the buffer of what comes in; 2 milliseconds for
--       which no other relay has to do the rest
-- Gives whether the rest was done, and zeros, which fill the buffer of what goes out.
local zeros = ARGV[1] .. string.rep('\0', 16000)
local answer = string.sub(zeros, 1, 20000)
if not redis.call('SET', KEYS[1] .. ':wash', '', 'NX', 'PX', ARGV[2]) then
  return {0, answer}
end
-- As jemalloc has them; whatever is larger goes back to the system as whole pages.
local sizes = {1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
  10240, 12288, 14336, 16384, 20480, 24576, 28672, 32768, 40960, 49152, 57344, 65536, 81920}
collectgarbage()
local waste
for _, size in ipairs(sizes) do
  -- A quarter of a megabyte of each.
  for i = 1, math.max(4, math.min(64, 262144 / size)) do
    -- All different, since Lua keeps equal ones once. It takes 25 bytes for itself. A chain, since
    -- a table that grows would leave some of what it takes as it was.
    waste = {string.sub(zeros, 1, size - 30) .. i, waste}
  end
end
waste = nil
for _ = 1, 14 do
  -- Each time Lua gives back half of the buffer in which it puts strings together.
  collectgarbage()
end
-- The buffer of what scripts are answered.
redis.call('ECHO', answer)
-- What replicas are sent is held for those that come back.
local info = redis.call('INFO', 'replication')
if string.find(info, 'repl_backlog_active:1', 1, true) then
  local held = tonumber(string.match(info, 'repl_backlog_size:(%d+)'))
  for _ = 0, math.min(held, 16777216), #zeros do
    redis.call(PUBLISH, KEYS[1] .. ':wash', zeros)
  end
end
return {1, answer}
