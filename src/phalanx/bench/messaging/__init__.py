"""`phalanx bench messaging`: communicating agents, in one process and over NATS, beside bare clients."""
