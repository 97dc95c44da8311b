"""`phalanx ledger`: the record, its tiles, and evidence as a file."""
