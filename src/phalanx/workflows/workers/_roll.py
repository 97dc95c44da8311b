"""The workers that a node has heard from: the state of each, and what each holds."""

from dataclasses import dataclass, field

import msgspec

from phalanx.core import NS_PER_S
from phalanx.workflows.workers._limits import LEASE_S, MAX_WORKER_SLOTS, MAX_WORKERS
from phalanx.workflows.workers._words import Beat


class WorkerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as people see it. ``stage`` is ``here``, ``draining``, ``left``, ``silent``, or ``other release``.

    ``silent_s`` is since it was last heard; ``busy`` counts the pieces that it works on.
    """

    name: str
    stage: str
    machine: str
    release: str
    slots: int
    busy: int
    done: int
    lost: int
    fenced: int
    silent_s: float
    functions: int


@dataclass(slots=True, kw_only=True)
class Worker:
    """``holds`` has what it was granted and has not answered, by fence, with when that was.

    ``answered`` are the fences that it has answered, though its last beat still has them.
    """

    name: str
    beat: Beat
    heard_ns: int
    stage: str
    holds: dict[int, int] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    done: int = 0
    lost: int = 0
    fenced: int = 0

    @property
    def busy(self) -> int:
        return len({fence for _, fence in self.beat.working} - self.answered | self.holds.keys())

    def has_answered(self, fence: int) -> None:
        self.holds.pop(fence, None)
        self.answered.add(fence)

    def free(self, function: str, digest: str) -> int:
        """How many pieces of a function it could take now."""
        if self.stage != "here" or self.beat.functions.get(function) != digest:
            return 0
        return max(0, self.beat.slots - self.busy)


class Roll:
    """Pure: beats and time in, who can take something out."""

    def __init__(self, release: str, lease_s: float = LEASE_S) -> None:
        self._release = release
        self._lease_ns = int(lease_s * NS_PER_S)
        self._workers: dict[str, Worker] = {}

    def get(self, name: str) -> Worker | None:
        return self._workers.get(name)

    def heard(self, name: str, beat: Beat, now_ns: int) -> list[int]:
        """Note a beat; the fences of what its worker has lost with an earlier life, or does not know of."""
        had = self._workers.get(name)
        beat = msgspec.structs.replace(beat, slots=max(0, min(beat.slots, MAX_WORKER_SLOTS)))
        stage = beat.stage if beat.release == self._release else "other release"
        if had is None:
            if len(self._workers) < MAX_WORKERS:
                self._workers[name] = Worker(name=name, beat=beat, heard_ns=now_ns, stage=stage)
            return []
        order = beat.incarnation, beat.number
        if order <= (had.beat.incarnation, had.beat.number):
            return []  # Said before, by itself or by who has heard it.
        knows = {fence for _, fence in beat.working}
        if beat.incarnation != had.beat.incarnation or beat.stage == "left":
            gone = list(had.holds)
        else:
            gone = [
                fence for fence, at_ns in had.holds.items() if fence not in knows and now_ns - at_ns > self._lease_ns
            ]
        had.beat, had.heard_ns, had.stage = beat, now_ns, stage
        had.answered &= knows  # A beat may have been on its way when the answer overtook it.
        return self._dropped(had, gone)

    def silent(self, now_ns: int) -> list[tuple[str, list[int]]]:
        """Those that were not heard for a lease, each with the fences of what it held."""
        found = []
        for worker in self._workers.values():
            if now_ns - worker.heard_ns > self._lease_ns and worker.stage not in ("silent", "left"):
                worker.stage = "silent"
                found.append((worker.name, self._dropped(worker, list(worker.holds))))
        return found

    def forget(self, name: str) -> list[int]:
        """One that may not work any more; the fences of what it held."""
        worker = self._workers.pop(name, None)
        return [] if worker is None else list(worker.holds)

    def free(self, function: str, digest: str, *, not_on: str = "") -> int:
        return sum(one.free(function, digest) for one in self._workers.values() if one.name != not_on)

    def any_here(self) -> bool:
        return any(one.stage == "here" for one in self._workers.values())

    def shown(self, now_ns: int) -> list[WorkerShown]:
        return [
            WorkerShown(
                name=one.name, stage=one.stage, machine=one.beat.machine, release=one.beat.release,
                slots=one.beat.slots, busy=one.busy if one.stage in ("here", "draining") else 0, done=one.done,
                lost=one.lost, fenced=one.fenced, silent_s=(now_ns - one.heard_ns) / NS_PER_S,
                functions=len(one.beat.functions),
            )
            for _, one in sorted(self._workers.items())
        ]  # fmt: skip

    @staticmethod
    def _dropped(worker: Worker, fences: list[int]) -> list[int]:
        for fence in fences:
            del worker.holds[fence]
        worker.lost += len(fences)
        return fences
