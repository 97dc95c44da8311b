"""`phalanx bench messaging`: agents that talk, in one process and over NATS, beside bare clients."""
