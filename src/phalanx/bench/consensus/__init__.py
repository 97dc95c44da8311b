"""`phalanx bench consensus`: agreement in one process and over several, beside its baselines."""
