"""Compiles groups of kernels in a process of its own: ``python -m phalanx.adapters.processes._kernels_child GROUP …``.

Says on standard output what it compiles: ``number count name``, a line each. Two that are started at once take turns,
and the second finds everything there.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from phalanx.adapters.processes._kernels import KERNELS, kernel_mark
from phalanx.core import keep_kernels_in, kernel_folder

_GENTLE = 19


def main(arguments: Sequence[str]) -> int:
    """0 once everything is compiled and marked."""
    parser = argparse.ArgumentParser(prog="phalanx.adapters.processes._kernels_child")
    parser.add_argument("groups", nargs="+", choices=sorted(KERNELS))
    parser.add_argument("--folder", default="")
    parser.add_argument("--gently", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.gently:
        os.nice(_GENTLE)
    if asked.folder:
        keep_kernels_in(Path(asked.folder))
    folder = kernel_folder()
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w", encoding="ascii") if folder else nullcontext() as lock:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Sources that change meanwhile have another mark: what is marked is what was there at the beginning.
        marks = {group: kernel_mark(group) for group in asked.groups}
        pieces = [
            (group, name, load)
            for group, mark in marks.items()
            if mark is None or not mark.exists()
            for name, load in _pieces(group)
        ]
        for number, (group, name, load) in enumerate(pieces, 1):
            print(number, len(pieces), name, flush=True)  # noqa: T201 - this is what the parent reads
            load()
            mark = marks[group]
            if mark is not None and all(other != group for other, _, _ in pieces[number:]):
                mark.touch()
    return 0


def _pieces(group: str) -> "Sequence[tuple[str, Callable[[], None]]]":
    if group == "votes":
        from phalanx.consensus.votes import warm_votes

        return [("hashing of votes", warm_votes)]
    if group == "indicators":
        from phalanx.intel.indicators import warm_indicators

        return [("digests and tables of indicators", warm_indicators)]
    if group == "allocation":
        from phalanx.allocation import warm_decisions

        return [("places of circuits", warm_decisions)]
    if group == "mapping":
        from phalanx.quantum.simulators import warm_mapping

        return [("circuits onto devices", warm_mapping)]
    if group == "simulators":
        from phalanx.quantum.simulators import warm_simulators

        return [("simulators of circuits", warm_simulators)]
    from phalanx.balancing import warming

    return warming()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
