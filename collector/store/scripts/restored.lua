-- That the withdrawals of this store were restored. KEYS: epoch, restored. ARGV: the epoch it was done for, or '' to
-- ask; a fresh epoch. A store without an epoch gets one. The mark is set only in the store that it was done in: one that
-- was emptied meanwhile has another epoch. Answer: the epoch, and whether its withdrawals are restored.
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ARGV[2]
  redis.call('SET', KEYS[1], epoch)
end
if ARGV[1] == epoch then redis.call('SET', KEYS[2], epoch) end
return { epoch, redis.call('GET', KEYS[2]) == epoch and 1 or 0 }
