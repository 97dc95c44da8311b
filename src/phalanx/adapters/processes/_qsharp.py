"""Q# in: compiled to QIR of the base profile by the maker's compiler (the extra ``qsharp``), in a child process.

The compiler runs what a program computes classically, without a bound of its own, and reports its use to its maker
unless told not to: the child has a deadline, and is told not to.
"""

import os
import subprocess
import sys

from phalanx.adapters._limits import QSHARP_WITHIN_S
from phalanx.core import InvalidInput, LimitExceeded, Unavailable
from phalanx.quantum import UnreadableCircuit

_MISSING = 3


def compile_qsharp(source: str, entry: str = "Main()") -> str:
    """QIR text of ``entry``. Raises ``UnreadableCircuit`` with what the compiler says, ``LimitExceeded`` for one that
    takes too long, ``Unavailable`` without the extra."""
    if not entry.isprintable():
        raise InvalidInput("entry", "is no expression")
    command = [sys.executable, "-m", "phalanx.adapters.processes._qsharp_child", entry]
    quiet = {**os.environ, "QDK_PYTHON_TELEMETRY": "none", "QSHARP_PYTHON_TELEMETRY": "none"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=source, capture_output=True, text=True, timeout=QSHARP_WITHIN_S, env=quiet, check=False
        )
    except subprocess.TimeoutExpired as error:
        seconds = int(QSHARP_WITHIN_S)
        raise LimitExceeded("seconds of one compilation of Q#", maximum=seconds, seen=seconds) from error
    if done.returncode == _MISSING:
        raise Unavailable("the compiler of Q#", done.stderr.strip()[-300:], hint="pip install 'phalanx[qsharp]'")
    if done.returncode:
        raise UnreadableCircuit(done.stderr.strip()[-2_000:] or f"the compiler ended with status {done.returncode}")
    return done.stdout
