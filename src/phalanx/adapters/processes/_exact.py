"""The exact oracle of balancing: HiGHS (extra ``exact``) in a child process."""

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from phalanx.adapters._limits import EXACT_GRACE_S, MAX_EXACT_PAIRS
from phalanx.balancing import Problem
from phalanx.core import LimitExceeded, Unavailable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class ExactAnswer:
    """The best assignment found, and a proved bound on the makespan; ``optimal`` says that they meet.

    ``choice`` is empty when none was found in time.
    """

    choice: "npt.NDArray[np.int32]"
    bound_s: float
    optimal: bool


def solve_exactly(problem: Problem, *, limit_s: float = 60.0) -> ExactAnswer:
    """The least makespan of a small problem. Takes up to ``limit_s``; raises ``Unavailable`` without the extra."""
    import numpy as np

    if problem.times.size > MAX_EXACT_PAIRS:
        raise LimitExceeded("pairs of a problem to solve exactly", maximum=MAX_EXACT_PAIRS, seen=problem.times.size)
    question = msgspec.msgpack.encode({
        "times": problem.times.tobytes(),
        "shape": problem.times.shape,
        "queue": problem.queue_s.tobytes(),
        "limit_s": limit_s,
    })  # fmt: skip
    command = [sys.executable, "-m", "phalanx.adapters.processes._exact_child"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=question, capture_output=True, timeout=limit_s + EXACT_GRACE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("the exact solver", f"it did not answer within {limit_s:g} s") from error
    if done.returncode == 3:
        raise Unavailable("the exact solver", "HiGHS is not installed", hint="install `phalanx[exact]`")
    if done.returncode:
        raise Unavailable("the exact solver", done.stderr.decode(errors="replace").strip()[-300:] or "it failed")
    answer = msgspec.msgpack.decode(done.stdout)
    choice = np.frombuffer(answer["choice"], np.int32)
    found = choice if (choice >= 0).all() else choice[:0]
    return ExactAnswer(choice=found, bound_s=answer["bound_s"], optimal=answer["optimal"])
