-- Appends the records of a flush, each once. Repeating a flush adds nothing.
-- KEYS: seen (even window), seen (odd window), counters, destinations, one stream per destination, ledger keys.
-- ARGV: window in ms, number of destinations D, their D names, number of rows R, seconds a row lives, seconds a brief
--       one lives, the R rows, then per event: digest, shape, its sealed records. A shape is the site, '|', and one character per
--       record: chr(32 + i) is the i-th destination.
-- Answer: one character per record, '1' queued or '0' duplicate.
-- Order: rows first (a denial must stand even if the rest fails), then XADD, then the mark: a script does not
-- roll back, and a mark before a failed XADD would lose the event when the flush is repeated.
local destinations = tonumber(ARGV[2])
local at = 3 + destinations
local rows = tonumber(ARGV[at])
write_rows(5 + destinations, rows, at + 3, ARGV[at + 1], ARGV[at + 2])
local first = at + 3 + rows
if first > #ARGV then return '' end

-- A destination keeps its bit for ever; a name seen for the first time gets the next one.
local bits = redis.call('HMGET', KEYS[4], unpack(ARGV, 3, 2 + destinations))
for i = 1, destinations do
  if not bits[i] then
    local used = redis.call('HLEN', KEYS[4])
    if used > 30 then return redis.error_reply('FULL a store knows 31 destination names at most') end
    bits[i] = string.format('%d', 2 ^ used)
    redis.call('HSET', KEYS[4], ARGV[2 + i], bits[i])
  end
  bits[i] = tonumber(bits[i])
end

local shapes = {}
local function shape_of(text)
  local site, marks = string.match(text, '^(.*)|(.*)$')
  local shape = { site = site, count = #marks, stream = {}, bit = {}, name = {}, queued = {} }
  for i = 1, #marks do
    local d = string.byte(marks, i) - 32
    shape.stream[i], shape.bit[i], shape.name[i], shape.queued[i] = KEYS[4 + d], bits[d], ARGV[2 + d], 0
  end
  shapes[text] = shape
  return shape
end

local digests, places = {}, {}
at = first
while at <= #ARGV do
  local shape = shapes[ARGV[at + 1]] or shape_of(ARGV[at + 1])
  digests[#digests + 1] = ARGV[at]
  places[#places + 1] = at
  at = at + 2 + shape.count
end

-- The server's clock chooses the window; each hash ends exactly when the window after its own does.
local time = redis.call('TIME')
local window_ms = tonumber(ARGV[1])
local window = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / window_ms)
local current, previous = KEYS[1 + window % 2], KEYS[2 - window % 2]
local marked = redis.call('HMGET', current, unpack(digests))
local before = redis.call('HMGET', previous, unpack(digests))

local known, marks, answer, failure = {}, {}, {}, nil
for e = 1, #digests do
  local digest, place = digests[e], places[e]
  local shape = shapes[ARGV[place + 1]]
  local had = known[digest] or bit.bor(marked[e] or 0, before[e] or 0)
  local has = had
  for i = 1, shape.count do
    if bit.band(has, shape.bit[i]) ~= 0 then
      answer[#answer + 1] = '0'
    else
      local id = redis.pcall('XADD', shape.stream[i], '*', shape.site, ARGV[place + 1 + i])
      if type(id) == 'table' and id.err then
        failure = id
        break
      end
      has = bit.bor(has, shape.bit[i])
      shape.queued[i] = shape.queued[i] + 1
      answer[#answer + 1] = '1'
    end
  end
  if has ~= had then
    known[digest] = has
    marks[#marks + 1] = digest
    marks[#marks + 1] = has
  end
  if failure then break end
end

if #marks > 0 then
  redis.call('HSET', current, unpack(marks))
  redis.call('PEXPIREAT', current, string.format('%.0f', (window + 2) * window_ms), 'NX')
end
for _, shape in pairs(shapes) do
  for i = 1, shape.count do
    if shape.queued[i] > 0 then
      redis.call('HINCRBY', KEYS[3], 'accepted|' .. shape.name[i] .. '|' .. shape.site, shape.queued[i])
    end
  end
end
return failure or table.concat(answer)
