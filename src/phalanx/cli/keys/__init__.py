"""`phalanx keys`: one module for each of its subgroups."""
