-- Adds to the counters of a day in one step, once per flush, and gives the day its end.
-- KEYS: a hash, the mark of this flush. ARGV: seconds the mark lives, seconds the hash lives, then field, count, ...
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return (#ARGV - 2) / 2
