-- Extends the lease and records the progress, if the lock is still mine and its deadline has not passed.
--
-- KEYS 1 lock, 2 cleared
-- ARGV 1 id, 2 lease in ms, 3 phase, 4 done, 5 total or ''
-- result {'granted', time to live in ms} or {'cleared' | 'taken' | 'missing'}

local now = now_us()
local held = holder(KEYS[1], now, ARGV[1])
if held ~= ARGV[1] then return {loss(held, KEYS[2])} end

local ttl = extend(KEYS[1], tonumber(ARGV[2]), now)
if ttl < 1 then return {'missing'} end
redis.call('HSET', KEYS[1], 'phase', ARGV[3], 'done', ARGV[4], 'total', ARGV[5])
return {'granted', ttl}
