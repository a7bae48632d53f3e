-- Adds to counters in one step, once per flush: whoever got no answer may ask again.
-- KEYS: a hash, the mark of this flush. ARGV: seconds the mark lives, then field, count, field, count, ...
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return (#ARGV - 1) / 2
