"""The command line: everything a person does with Phalanx from a terminal.

Nothing heavy is imported before a command needs it, so that ``phalanx --help`` answers at
once. Results go to standard output, everything else to standard error. Exit codes are in
``_exits``.
"""

from phalanx.cli._main import main

__all__ = ["main"]
