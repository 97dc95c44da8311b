"""`phalanx bench workflows`: what the engine adds to its steps, and what survives a kill."""
