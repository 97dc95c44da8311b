"""Why an agent is no longer in its place."""

from dataclasses import dataclass
from enum import Enum


class FallKind(Enum):
    """What ended an agent. Whatever it was, another takes its place under a new name and a new identity."""

    # What it did raised an error.
    FAILED = "failed"
    # What it did took too long, or made no progress.
    HUNG = "hung"
    # Its heartbeats stopped.
    SILENT = "silent"
    # Its identity does not stand any more.
    BARRED = "barred"
    # It was set apart, to be looked into.
    QUARANTINED = "quarantined"
    # Somebody ended it.
    KILLED = "killed"
    # It left by itself, or its place was closed.
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Fall:
    """``at_ns`` is the monotonic time at which it was noticed, ``since_ns`` when it happened as far as is known."""

    kind: FallKind
    reason: str
    at_ns: int
    since_ns: int
