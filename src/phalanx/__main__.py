"""`python -m phalanx` is the same as the `phalanx` command."""

from phalanx.cli import main

main()
