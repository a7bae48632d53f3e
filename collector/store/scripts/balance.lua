-- Reads everything a balance needs in one atomic step.
-- KEYS: counters, door, epoch. ARGV: a fresh epoch, what stream, due and dead keys begin with,
-- configured destination names.
-- These keys are completed here because destinations are also found in the counters; all carry the same tag.
-- Answer: epoch, now in ms, counters, door, then per destination: name, entries in stream, entries due,
-- dead letters, received_ms of the oldest among the next in line ('' if none).
local epoch = redis.call('GET', KEYS[3])
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[3], epoch)
end
local time = redis.call('TIME')
local counters = redis.call('HGETALL', KEYS[1])

local names, listed = {}, {}
local function list(name)
  if name and not listed[name] then
    listed[name] = true
    names[#names + 1] = name
  end
end
for i = 5, #ARGV do list(ARGV[i]) end
for i = 1, #counters, 2 do list(string.match(counters[i], '^[^|]*|([^|]*)|')) end
table.sort(names)

-- A head is the site, or for a retried entry `site|attempt|received_ms`.
local function received(head) return tonumber(string.match(head, '|(%d+)$')) end

local function oldest(stream, due)
  local first
  for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', 16)) do
    local at = received(entry[2][1]) or tonumber(string.match(entry[1], '^%d+'))
    if not first or at < first then first = at end
  end
  for _, member in ipairs(redis.call('ZRANGE', due, 0, 15)) do
    local at = received(string.match(member, '^[^%z]*'))
    if at and (not first or at < first) then first = at end
  end
  return first and string.format('%.0f', first) or ''
end

local found = {}
for i, name in ipairs(names) do
  local stream, due, dead = ARGV[2] .. name, ARGV[3] .. name, ARGV[4] .. name
  found[i] = { name, redis.call('XLEN', stream), redis.call('ZCARD', due), redis.call('XLEN', dead),
    oldest(stream, due) }
end
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return { epoch, now_ms, counters, redis.call('HGETALL', KEYS[2]), found }
