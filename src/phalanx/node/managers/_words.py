"""What a manager is asked, what it answers, and how it says no.

Errors::

    Unavailable (core)
    ├── ManagerAway          nobody answered in time
    ├── ManagerRefused       it answered no; ``refusal`` is the code of the error there
    └── ManagerSpeaksOther   the two nodes are of versions that do not understand each other

Questions and answers carry the version of these words. Who reads them ignores fields it does not know, so words of an
older version are understood; a newer version is refused, and says so (as records are: readers are upgraded before
writers, here managers before the nodes that ask them). Jobs travel as the records that they are, with a version of
their own.
"""

import hashlib

import msgspec

from phalanx import __version__
from phalanx.allocation import Ask, Bookable, Booking, Explanation, JobWait, Shape
from phalanx.allocation.money import BudgetView, JobCost
from phalanx.core import Circuit, InvalidInput, NotFound, PhalanxError, Unavailable, WireError, decode, encode
from phalanx.devices import Job, due_at_ns
from phalanx.node._limits import HOLD_S, MAX_HOLD_S, MIN_HOLD_S

# 1: words that carried no version. 2: versions, what jobs wait for and cost, and lists of jobs.
WORDS_VERSION = 2
_SINCE = {"jobs": 2}
_NOTHING = msgspec.Raw(b"\xc0")


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
        due_at_ns(0, self.within_s)

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
    """A job under the key of who asked, and the node that has it; ``own``: this node itself, and ``why``.

    No ``job``: only a window was held under the key, and it was given back. ``waits`` and ``cost`` are as the node says
    that has it; nothing where it says neither.
    """

    at: str
    key: str
    job: Job | None
    own: bool = False
    why: str = ""
    waits: JobWait | None = None
    cost: JobCost | None = None


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a manager grants a tenant of the asking node; ``words`` and ``program`` are the versions of who answered."""

    budgets: tuple[BudgetView, ...]
    words: int
    program: str


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """One job in a list: where it is and why, without its circuit and its outcomes. ``at`` is the node that has it."""

    key: str
    job: str
    at: str
    device: str
    state: str
    at_ns: int
    reason: str
    error: str = ""

    @classmethod
    def of(cls, job: Job, at: str) -> "JobLine":
        return cls(
            key=job.key, job=job.id, at=at, device=job.device, state=job.state.value, at_ns=job.at_ns,
            reason=job.reason, error=job.error,
        )  # fmt: skip


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is of the asking node's choosing: asked again it is the same question."""

    what: str
    tenant: str = ""
    id: str = ""
    ask: Ask | None = None
    work: Work | None = None
    version: int = 1


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """``error`` is the code of what was refused, ``told`` its message and ``hint`` what to do.

    ``job`` is a record as it is kept, or nil; ``program`` is the version of Phalanx that answers.
    """

    bookings: tuple[Booking, ...] = ()
    resources: tuple[Bookable, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    placed: Placed | None = None
    job: msgspec.Raw = _NOTHING
    jobs: tuple[JobLine, ...] = ()
    waits: JobWait | None = None
    cost: JobCost | None = None
    error: str = ""
    told: str = ""
    hint: str = ""
    version: int = 1
    program: str = ""

    def record(self, manager: str) -> Job | None:
        """The job. Raises ``ManagerSpeaksOther`` where it is of a newer version."""
        data = bytes(self.job)
        if data == bytes(_NOTHING):
            return None
        try:
            return decode(data, Job)
        except WireError as error:
            raise ManagerSpeaksOther(manager, f"its job cannot be read here: {error.message}") from error


class _Head(msgspec.Struct):
    """What of a question or an answer is read first, whatever else is in it."""

    version: int = 1


def carried(job: Job | None) -> msgspec.Raw:
    """A job as an answer carries it."""
    return _NOTHING if job is None else msgspec.Raw(encode(job))


def question_bytes(question: Question) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(question, version=WORDS_VERSION))


def answer_bytes(answer: Answer) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(answer, version=WORDS_VERSION, program=__version__))


def read_question(data: bytes, *, here: str, by: str) -> Question:
    """Raises ``InvalidInput``, and where the words are newer ``ManagerSpeaksOther``, which is answered to ``by``."""
    try:
        version = msgspec.msgpack.decode(data, type=_Head).version
        if version > WORDS_VERSION:
            told = f"{by} asks in version {version} of managers' words, and {here} knows {WORDS_VERSION} at most"
            raise ManagerSpeaksOther(here, told)
        return msgspec.msgpack.decode(data, type=Question)
    except msgspec.DecodeError as error:
        raise InvalidInput("question", f"{here} cannot read it: {error}") from error


def read_answer(data: bytes, *, manager: str, about: str, asked: Question) -> Answer:
    """Raises what the manager refused it for, and ``ManagerSpeaksOther`` where it cannot be understood."""
    try:
        version = msgspec.msgpack.decode(data, type=_Head).version
        if version > WORDS_VERSION:
            told = f"it answers in version {version} of managers' words, and this node knows {WORDS_VERSION} at most"
            raise ManagerSpeaksOther(manager, told, hint="update this node")
        said = msgspec.msgpack.decode(data, type=Answer)
    except msgspec.DecodeError as error:
        raise ManagerSpeaksOther(manager, f"its answer cannot be read: {error}") from error
    since = _SINCE.get(asked.what, 1)
    if said.error and said.version < since:
        told = f"it speaks version {said.version} of managers' words, and {asked.what!r} came with version {since}"
        raise ManagerSpeaksOther(manager, told, hint=f"update {manager}")
    if said.error:
        raise problem_of(manager, said, about, asked.id)
    return said


class ManagerAway(Unavailable):
    """Nobody answered in time. Attribute: ``manager``."""

    code = "manager-away"

    def __init__(
        self, manager: str, reason: str, *, hint: str = "is it up? `phalanx cluster status` says who is there"
    ) -> None:
        super().__init__(f"the manager {manager}", reason, hint=hint)
        self.manager = manager


class ManagerRefused(Unavailable):
    """The manager said no. ``refusal`` is the code of the error there, e.g. ``over-budget`` or ``nothing-fits``."""

    code = "manager-refused"

    def __init__(self, manager: str, refusal: str, told: str, *, hint: str = "") -> None:
        super(Unavailable, self).__init__(
            f"{manager} refused: {told}", hint=hint, what=f"what {manager} was asked for", reason=told
        )
        self.manager, self.refusal = manager, refusal


class ManagerSpeaksOther(Unavailable):
    """Manager and asking node are of versions that do not understand each other. Attribute: ``manager``."""

    code = "manager-version"

    def __init__(
        self, manager: str, reason: str, *,
        hint: str = "update the older of the two nodes: managers before those that ask them",
    ) -> None:  # fmt: skip
        super().__init__(f"the manager {manager}", reason, hint=hint)
        self.manager = manager


class NotManaged(PhalanxError):
    """A node asked that this one is no manager for; answered to it, as nothing else would say what to do."""

    code = "not-managed"

    def __init__(self, here: str, process: str) -> None:
        super().__init__(f"{here} is no manager for {process}", hint=f"at {here}: set cluster.manages to {process}")


def problem_of(manager: str, said: Answer, about: str, key: str) -> PhalanxError:
    """What an answer that says no is raised as."""
    if said.error == NotFound.code:
        return NotFound(f"{about} at {manager}", key, hint=said.hint)
    if said.error == InvalidInput.code:
        field, _, wrong = said.told.partition(": ")
        return InvalidInput(field, wrong or said.told, hint=said.hint)
    if said.error == ManagerSpeaksOther.code:
        return ManagerSpeaksOther(manager, said.told, hint=said.hint)
    return ManagerRefused(manager, said.error, said.told, hint=said.hint)
