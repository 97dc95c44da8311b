"""Compiles Q# from standard input; QIR goes to standard output.

Run as ``python -m phalanx.adapters.processes._qsharp_child ENTRY``.
"""

import sys

_MISSING, _WRONG = 3, 4


def main(entry: str) -> int:
    """0, or 3 where the compiler is not installed, or 4 where the program is wrong."""
    try:
        from qdk import TargetProfile, qsharp
    except ImportError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is what the parent reads
        return _MISSING
    try:
        qsharp.init(target_profile=TargetProfile.Base)
        qsharp.eval(sys.stdin.read())
        found = str(qsharp.compile(entry))
    except qsharp.QSharpError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is what the parent reads
        return _WRONG
    print(found)  # noqa: T201 - this is what the parent reads
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
