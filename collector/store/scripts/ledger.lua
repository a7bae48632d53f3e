-- The one home of "which choice holds" in the store; the rules stand in rows.py. Prelude of append and record.
-- A row is `decided_ms|recipient=bits,recipient=bits`. An unreadable old row grants nothing.

-- The text to store, or nil where the stored one stands.
local function newest(old, new, lowers)
  if not old then return lowers and (string.gsub(new, '=%d+', '=0')) or new end
  if old == new then return nil end
  local old_ms, old_granted = string.match(old, '^(%-?%d+)|(.*)$')
  local new_ms, new_granted = string.match(new, '^(%-?%d+)|(.*)$')
  if not old_ms or string.gsub(old_granted, '[^=,]+=%d+,?', '') ~= '' then old_ms, old_granted = '0', '' end
  local newer = tonumber(new_ms) > tonumber(old_ms)
  if not lowers then
    if newer then return new end
    if new_ms ~= old_ms then return nil end
  end
  local had, both = {}, {}
  for recipient, bits in string.gmatch(old_granted, '([^=,]+)=(%d+)') do had[recipient] = tonumber(bits) end
  for recipient, bits in string.gmatch(new_granted, '([^=,]+)=(%d+)') do
    if had[recipient] then
      both[#both + 1] = recipient .. '=' .. string.format('%d', bit.band(had[recipient], tonumber(bits)))
    end
  end
  if lowers and table.concat(both, ',') == old_granted then return nil end
  local row = (newer and new_ms or old_ms) .. '|' .. table.concat(both, ',')
  if row ~= old then return row end
end

-- Rows: keys KEYS[first_key..], and from ARGV[at] on one argument each: '1' or '0' (lowers), then the text.
local function write_rows(first_key, count, at, seconds)
  if count == 0 then return end
  local held = redis.call('MGET', unpack(KEYS, first_key, first_key + count - 1))
  local written = {}
  for i = 1, count do
    local key, said = KEYS[first_key + i - 1], ARGV[at + i - 1]
    local row = newest(written[key] or held[i], string.sub(said, 2), string.byte(said) == 49)
    if row then
      redis.call('SET', key, row, 'EX', seconds)
      written[key] = row
    end
  end
end
