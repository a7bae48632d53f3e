-- Settles entries. A fate counts only if its own XDEL removed the entry, so settling twice counts once.
-- KEYS: stream, dead letters, due-set, counters. ARGV: group, then operations one after the other:
--   'c' counter n id...                                        count n entries under one counter
--   'd' counter id cause site attempt received_ms sealed       move an entry to the dead letters
--   'r' id due_ms member                                       move an entry to the due-set
-- Answer: how many fates counted. XACK and XDEL come first: they work without memory, and after them the rest does.
local stream, group = KEYS[1], ARGV[1]

local function remove(id)
  redis.call('XACK', stream, group, id)
  return redis.call('XDEL', stream, id) == 1
end

local counted, at = 0, 2
while at <= #ARGV do
  local operation = ARGV[at]
  if operation == 'c' then
    local last = at + 2 + ARGV[at + 2]
    redis.call('XACK', stream, group, unpack(ARGV, at + 3, last))
    local removed = redis.call('XDEL', stream, unpack(ARGV, at + 3, last))
    if removed > 0 then redis.call('HINCRBY', KEYS[4], ARGV[at + 1], removed) end
    counted = counted + removed
    at = last + 1
  elseif operation == 'd' then
    if remove(ARGV[at + 2]) then
      redis.call('XADD', KEYS[2], '*', 'cause', ARGV[at + 3], 'site', ARGV[at + 4], 'attempt', ARGV[at + 5],
        'received_ms', ARGV[at + 6], 'sealed', ARGV[at + 7])
      redis.call('HINCRBY', KEYS[4], ARGV[at + 1], 1)
      counted = counted + 1
    end
    at = at + 8
  else
    if remove(ARGV[at + 1]) then
      redis.call('ZADD', KEYS[3], ARGV[at + 2], ARGV[at + 3])
      counted = counted + 1
    end
    at = at + 4
  end
end
return counted
