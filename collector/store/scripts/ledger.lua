-- The one home of "which choice holds" in the store; the rules stand in rows.py. Prelude of append and record.
-- A row is `decided_ms|recipient=bits,recipient=bits`, then perhaps `|sibling,sibling`. An unreadable old row grants
-- nothing.

-- The choice that holds, or nil where the stored one stands.
local function newest(old, new, lowers)
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

local function split(row)
  local choice, siblings = string.match(row, '^([^|]*|[^|]*)|(.*)$')
  return choice or row, siblings or ''
end

-- Siblings gather, the newest first, four at most; the stored ones stand where nothing is new.
local function gathered(old, new)
  local together, known, news = {}, {}, false
  for sibling in string.gmatch(new, '%x+') do
    if not string.find(old, sibling, 1, true) then news = true end
  end
  if not news then return old end
  for sibling in string.gmatch(new .. ',' .. old, '%x+') do
    if not known[sibling] and #together < 4 then
      known[sibling] = true
      together[#together + 1] = sibling
    end
  end
  return table.concat(together, ',')
end

-- The text to store, or nil where the stored one stands; and whether only its siblings are new.
local function next_row(old, new, lowers)
  if old == new then return nil end
  if not old then return lowers and (string.gsub(new, '=%d+', '=0')) or new, false end
  local old_choice, old_siblings = split(old)
  local new_choice, new_siblings = split(new)
  local choice = old_choice ~= new_choice and newest(old_choice, new_choice, lowers)
  local siblings = gathered(old_siblings, new_siblings)
  if not choice and siblings == old_siblings then return nil end
  return (choice or old_choice) .. (siblings ~= '' and '|' .. siblings or ''), not choice
end

-- Rows: keys KEYS[first_key..], and from ARGV[at] on one argument each: a character (1: lowers, 2: brief, 3: both),
-- then the text. A row lives so long from its choice on; a new sibling alone does not extend that.
local function write_rows(first_key, count, at, seconds, brief_seconds)
  if count == 0 then return end
  local held = redis.call('MGET', unpack(KEYS, first_key, first_key + count - 1))
  local written = {}
  for i = 1, count do
    local key, said = KEYS[first_key + i - 1], ARGV[at + i - 1]
    local flags = string.byte(said) - 48
    local row, same_choice = next_row(written[key] or held[i], string.sub(said, 2), flags % 2 == 1)
    if row then
      if same_choice then
        redis.call('SET', key, row, 'KEEPTTL')
      else
        redis.call('SET', key, row, 'EX', flags > 1 and brief_seconds or seconds)
      end
      written[key] = row
    end
  end
end
