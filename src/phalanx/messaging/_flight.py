"""What a link has on its way: the words of its sending half."""

from typing import Any

import msgspec

from phalanx.messaging._envelope import Envelope
from phalanx.messaging._kinds import Kind, Outcome

# In place of a path: it took several at once.
SEVERAL = -1


class Flight(msgspec.Struct, eq=False, gc=False):
    """One item with a number. ``key`` is the caller's, and comes back with the end; parts but the first have none."""

    kind: Kind
    data: bytes | Envelope
    size: int
    key: Any
    part: int
    parts: int
    again: bool
    number: int = 0
    attempts: int = 0
    sent_ns: int = 0
    due_ns: int = 0
    path: int = SEVERAL
    is_received: bool = False
    is_ended: bool = False


class Ended(msgspec.Struct, frozen=True, gc=False):
    """What was accepted under ``key`` came to this end."""

    key: Any
    taken: int
    refused: tuple[tuple[str, int], ...]
    outcome: Outcome


class Turn(msgspec.Struct):
    """What is to be sent now: flights by path, numbers to ask after, and items without a number; and what ended."""

    flights: dict[int, list[Flight]]
    asked: list[int]
    loose: list[bytes | Envelope]
    ended: list[Ended]
