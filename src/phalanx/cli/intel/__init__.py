"""`phalanx intel`: one module for each of its subcommands."""
