"""What a node and its workers say to each other.

A **ticket** lies in the queue and says that there is a piece, not what it is. The worker that takes it asks the
node, and is granted the piece under the ticket's **fence**, a number that the node never gives twice: a result
counts only under a fence that the node has not taken back.
"""

import msgspec


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """There is a piece to be done."""

    piece: str
    fence: int


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A worker took the ticket. ``incarnation`` tells its lives apart."""

    piece: str
    fence: int
    incarnation: int


class Granted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The piece is the worker's."""

    function: str
    arguments: bytes


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It is not: nobody wants it any more, or (``others_may``) another worker is to have it."""

    others_may: bool = False


Answer = Granted | Refused


class Beat(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How a worker is. ``number`` grows within an incarnation; ``working`` are piece and fence of what it works on.

    ``stage`` is ``here``, ``draining`` (it takes no more) or ``left``.
    """

    incarnation: int
    number: int
    slots: int
    stage: str
    machine: str
    release: str
    functions: dict[str, str]
    working: tuple[tuple[str, int], ...] = ()


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """Why there is no result: ``input`` at fault (with its field), ``lost`` with a process, or ``failed``."""

    kind: str
    field: str
    reason: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What came of a piece, under the fence that it was granted under."""

    piece: str
    fence: int
    incarnation: int
    value: bytes = b""
    fault: Fault | None = None


Word = Ask | Granted | Refused | Beat | Done
