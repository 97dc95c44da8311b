"""`python -m phalanx.cli` is the same as the `phalanx` command."""

from phalanx.cli import main

main()
