-- Moves entries whose next attempt is due back to their stream. KEYS: stream, due-set. ARGV: now in ms, at most.
-- A member is the entry's head, a zero byte, the sealed record. ZREM comes first: it works without memory, and
-- after it XADD does too. Answer: how many moved.
local members = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(members) do
  local head = string.match(member, '^[^%z]*')
  local score = redis.call('ZSCORE', KEYS[2], member)
  redis.call('ZREM', KEYS[2], member)
  local id = redis.pcall('XADD', KEYS[1], '*', head, string.sub(member, #head + 2))
  if type(id) == 'table' and id.err then
    redis.call('ZADD', KEYS[2], score, member)
    return id
  end
end
return #members
