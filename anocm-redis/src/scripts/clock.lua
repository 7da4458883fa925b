-- Returns the server's clock and the offset of a shard. Records another offset when the clock was set,
-- unless another relay was faster.
-- KEYS: shard
-- ARGV: 1 the offset that the relay has found, or `none`, 2 the one to record; both empty to read only
local shard = KEYS[1]
if ARGV[1] ~= '' and (offset(shard) or 'none') == ARGV[1] then
  redis.call('SET', shard .. ':t', ARGV[2], 'PX', 3600000)
end
return {wall, offset(shard)}
