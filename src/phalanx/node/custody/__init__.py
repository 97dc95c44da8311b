"""Keys, identities, noise, and the ledger with those who vouch for it, wired to a node."""
