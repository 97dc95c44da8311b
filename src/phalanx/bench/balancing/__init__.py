"""`phalanx bench balancing`: how far from the best possible, how fast, and against what."""
