"""Keys, identities, noise sources, and the ledger with its witnesses, wired to a node."""
