"""`phalanx bench agents`: a swarm alive, at work and replaced, and nodes that take over for each other."""
