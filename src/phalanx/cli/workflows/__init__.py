"""`phalanx workflows` and `phalanx worker`: runs, and who works on their steps."""
