"""Checks on a submission before a device is chosen: values must make sense, and apply to the kind of work."""

import math
from collections.abc import Mapping

from phalanx.core import NS_PER_S, Circuit, InvalidInput, LimitExceeded, Origin
from phalanx.devices._job_records import Job, JobWishes
from phalanx.devices._limits import MAX_KEY_CHARS, MAX_REGIONS_ASKED, MAX_SEED, MAX_WITHIN_S
from phalanx.devices._programs import Program


def due_at_ns(now_ns: int, within_s: float) -> int:
    """The deadline ``within_s`` seconds from now; 0 seconds: none, 0. Errors name ``within_s``."""
    if not 0.0 <= within_s < math.inf:
        raise InvalidInput("within_s", f"{within_s:g} is not a number of seconds from now; 0 means no deadline")
    if within_s > MAX_WITHIN_S:
        raise LimitExceeded("within_s, seconds from now", maximum=MAX_WITHIN_S, seen=math.ceil(within_s))
    return now_ns + max(1, round(within_s * NS_PER_S)) if within_s else 0


def origin_of(text: str) -> Origin | None:
    """The kind of results asked for, None for an empty text. Raises ``InvalidInput``, which lists all kinds."""
    if not text:
        return None
    try:
        return Origin(text)
    except ValueError:
        kinds = ", ".join(one.value for one in Origin)
        raise InvalidInput("origin", f"{text!r} is not a kind of result; there are {kinds}") from None


def check_asked(
    work: Circuit | Program, wishes: JobWishes, *, shots: int, seed: int | None = None, key: str = "",
    mitigate: str = "", coherence: str = "", observable: str = "",
) -> None:  # fmt: skip
    """Raises ``InvalidInput`` or ``LimitExceeded``, naming the field at fault."""
    if len(key) > MAX_KEY_CHARS:
        raise LimitExceeded("characters of a key", maximum=MAX_KEY_CHARS, seen=len(key))
    if not key.isprintable():
        raise InvalidInput("key", "has characters that cannot be printed")
    if shots < 1:
        raise InvalidInput("shots", f"{shots} is less than one")
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InvalidInput("seed", f"{seed} is not between 0 and {MAX_SEED}")
    check_wishes(wishes)
    if isinstance(work, Program):
        _check_of_program(wishes, {"mitigate": mitigate, "coherence": coherence, "observable": observable})


def check_wishes(wishes: JobWishes) -> None:
    """Raises ``InvalidInput`` for values that make no sense."""
    if not 0.0 <= wishes.fidelity <= 1.0:
        raise InvalidInput("fidelity", f"{wishes.fidelity:g} is not between 0 and 1")
    if not 0.0 <= wishes.budget < math.inf:
        raise InvalidInput("budget", f"{wishes.budget:g} is not an amount; 0 means no limit")
    if wishes.origin:
        origin_of(wishes.origin)
    if wishes.deadline_at_ns < 0:
        raise InvalidInput("deadline_at_ns", f"{wishes.deadline_at_ns} is not a time; 0 means no deadline")
    if len(wishes.regions) > MAX_REGIONS_ASKED:
        raise LimitExceeded("regions of one job", maximum=MAX_REGIONS_ASKED, seen=len(wishes.regions))
    if not all(one.strip() and one.isprintable() for one in wishes.regions):
        raise InvalidInput("regions", "one of them has no name; leave them out to allow any")


def _check_of_program(wishes: JobWishes, treatment: Mapping[str, str]) -> None:
    """What is predicted from gates, or done to them, cannot be asked of work that has none."""
    for field, value in treatment.items():
        if value:
            raise InvalidInput(field, "is for circuits, and this is a program without gates")
    if wishes.fidelity > 0.0:
        told = "nobody can predict it for a program without gates: of circuits it follows from their gates' errors"
        raise InvalidInput("fidelity", told, hint="leave it out; what is known classically stands beside the result")


def same_job(
    known: Job, work: Circuit | Program, shots: int, device: str, seed: int | None, treatment: tuple[str, str, str]
) -> Job:
    """``known``, when it is what was asked for."""
    asked = (work.digest, shots, device or known.device, known.seed if seed is None else seed, treatment)
    there = (known.mitigate, known.coherence, known.observable)
    if asked != (known.work.digest, known.shots, known.device, known.seed, there):
        raise InvalidInput("key", f"{known.key!r} stands for another job, {known.id}")
    return known
