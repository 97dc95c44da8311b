"""What a manager is asked, what it answers, and how it says no.

Errors::

    Unavailable (core)
    ├── ManagerAway      nobody answered in time
    └── ManagerRefused   it answered no; ``refusal`` is the code of the error there
"""

import hashlib

import msgspec

from phalanx.allocation import Ask, Bookable, Booking, Explanation, Shape
from phalanx.allocation.money import BudgetView
from phalanx.core import Circuit, InvalidInput, NotFound, PhalanxError, Unavailable
from phalanx.devices import Job
from phalanx.node._limits import HOLD_S, MAX_HOLD_S, MIN_HOLD_S


class WorkWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for work, however it is told. Zeros and empty texts ask for nothing.

    ``shape`` stands for a circuit that is not told. ``within_s`` is from when the question arrives; ``hold_s`` is how
    long the window is held for who asks.
    """

    shape: Shape | None = None
    shots: int = 1_000
    policy: str = ""
    origin: str = ""
    seed: int | None = None
    fidelity: float = 0.0
    within_s: float = 0.0
    budget: float = 0.0
    regions: tuple[str, ...] = ()
    emergency: bool = False
    degrade: bool = True
    hold_s: float = HOLD_S


class Work(WorkWishes, frozen=True, kw_only=True):
    """What is to be placed or run: a circuit, or only its ``shape``."""

    circuit: Circuit | None = None

    def check(self) -> None:
        """Raises ``InvalidInput``."""
        if (self.circuit is None) == (self.shape is None):
            raise InvalidInput("circuit", "either a circuit is given or its shape")
        if self.shots < 1:
            raise InvalidInput("shots", "there is at least one")
        if not MIN_HOLD_S <= self.hold_s <= MAX_HOLD_S:
            raise InvalidInput("hold_s", f"{self.hold_s:g} is not between {MIN_HOLD_S:g} and {MAX_HOLD_S:g} s")
        if not all(0.0 <= value < float("inf") for value in (self.fidelity, self.within_s, self.budget)):
            raise InvalidInput("wishes", "fidelity, deadline and budget are finite and not below nothing")

    def digest(self, shape: Shape) -> str:
        """Of all that makes it this work, told by a circuit or by its shape: a key does not stand for another."""
        same = msgspec.structs.replace(self, hold_s=HOLD_S, circuit=None, shape=shape, seed=None)
        # Windows are kept under it: the circuit, which is none here, has to stay in front.
        told = {name: getattr(same, name) for name in ("circuit", *WorkWishes.__struct_fields__)}
        return hashlib.sha256(msgspec.msgpack.encode(told)).hexdigest()


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Where work goes by whom, and the window that is held there for it, if one is.

    ``own``: the node that asked decided by its own policy, and ``why``.
    """

    by: str
    key: str
    explanation: Explanation
    window: Booking | None = None
    own: bool = False
    why: str = ""


class ManagedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job under the key of who asked, and the node that has it; ``own``: this node itself, and ``why``."""

    at: str
    key: str
    job: Job
    own: bool = False
    why: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is of the asking node's choosing: asked again it is the same question."""

    what: str
    tenant: str = ""
    id: str = ""
    ask: Ask | None = None
    work: Work | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """``error`` is the code of what was refused, ``told`` its message and ``hint`` what to do."""

    bookings: tuple[Booking, ...] = ()
    resources: tuple[Bookable, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    placed: Placed | None = None
    job: Job | None = None
    error: str = ""
    told: str = ""
    hint: str = ""


class ManagerAway(Unavailable):
    """Nobody answered in time. Attribute: ``manager``."""

    code = "manager-away"

    def __init__(self, manager: str, reason: str, *, hint: str = "is it up, and in the cluster?") -> None:
        super().__init__(f"the manager {manager}", reason, hint=hint)
        self.manager = manager


class ManagerRefused(Unavailable):
    """The manager said no. ``refusal`` is the code of the error there, e.g. ``over-budget`` or ``nothing-fits``."""

    code = "manager-refused"

    def __init__(self, manager: str, refusal: str, told: str, *, hint: str = "") -> None:
        super().__init__(f"what {manager} was asked for", told, hint=hint)
        self.manager, self.refusal = manager, refusal


def problem_of(manager: str, said: Answer, what: str) -> PhalanxError:
    """What an answer that says no is raised as."""
    if said.error == NotFound.code:
        return NotFound(what, said.told, hint=said.hint)
    if said.error == InvalidInput.code:
        return InvalidInput(what, said.told, hint=said.hint)
    return ManagerRefused(manager, said.error, said.told, hint=said.hint)
