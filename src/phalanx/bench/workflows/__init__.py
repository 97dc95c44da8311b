"""`phalanx bench workflows`: what the engine adds to its steps, and what outlives a kill."""
