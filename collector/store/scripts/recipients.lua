-- Since when each recipient of a site is configured. KEYS: the site's hash. ARGV: now in ms, what marks the first
-- start, then the configured recipients. Answer: the moments of these recipients, in their order.
-- On the very first start they were all there from the beginning (0). One that is configured no more is emptied, not
-- removed: it counts as new when it comes back.
local key, now, first = KEYS[1], ARGV[1], ARGV[2]
local is_first = redis.call('HSETNX', key, first, now) == 1
local configured = { [first] = true }
for i = 3, #ARGV do configured[ARGV[i]] = true end
for _, known in ipairs(redis.call('HKEYS', key)) do
  if not configured[known] then redis.call('HSET', key, known, '') end
end
local since = {}
for i = 3, #ARGV do
  local at = redis.call('HGET', key, ARGV[i])
  if not at or at == '' then
    at = is_first and '0' or now
    redis.call('HSET', key, ARGV[i], at)
  end
  since[i - 2] = at
end
return since
