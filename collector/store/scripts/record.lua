-- Writes choices to the ledger. KEYS: one per row. ARGV: seconds to live, seconds a brief one lives, then one argument
-- per row.
write_rows(1, #KEYS, 3, ARGV[1], ARGV[2])
return #KEYS
