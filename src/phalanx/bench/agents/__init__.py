"""`phalanx bench agents`: a swarm alive, at work and replaced, and nodes that continue for each other."""
