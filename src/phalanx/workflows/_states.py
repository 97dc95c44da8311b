"""The state of a run: one row, changed only by those who saw what it was before.

Invariants:

- every change is a commit that expects the row's version, so two engines or people never overwrite each other;
- ``fence`` grows whenever an engine takes a run up. What an engine stores for a run is committed on the condition
  that the row is the one it took; an engine that was wrongly presumed dead can store nothing after that;
- ``done`` and ``cancelled`` are final. ``failed`` and ``paused`` continue when somebody says so.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NO_TRACE,
    Expect,
    Put,
    Record,
    Row,
    Store,
    Table,
    TenantId,
    decode,
    encode,
)
from phalanx.workflows._limits import MAX_MOVES, MAX_REASON_CHARS


class RunStatus(Enum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({RunStatus.DONE, RunStatus.CANCELLED})


class Wanted(Enum):
    """What people want of a run."""

    GO = "go"
    PAUSE = "pause"
    CANCEL = "cancel"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A change of where a run stands."""

    at_ns: int
    status: RunStatus
    by: str = ""
    reason: str = ""


class RunState(Record, frozen=True, kw_only=True, tag="run-state"):
    """Where the run of the same id stands. ``reason`` says why, with the ``step`` and ``field`` at fault if one was.

    ``owner`` is the engine that brings it forward. ``deadline_ns`` is wall time, 0 for none. Attempts at steps are
    counted from ``queued_ns`` on: a run that a person has go on begins to count anew.
    """

    template: str
    status: RunStatus
    wanted: Wanted = Wanted.GO
    reason: str = ""
    step: str = ""
    field: str = ""
    by: str = ""
    deadline_ns: int = 0
    queued_ns: int
    ended_ns: int = 0
    owner: str = ""
    fence: int = 0
    moves: tuple[Move, ...] = ()


class Lease(Record, frozen=True, kw_only=True, tag="engine-lease"):
    """An engine is at work until ``until_ns``; the runs of one that is not are taken up by others."""

    until_ns: int


RUN_STATES = Table("run-states", indexes=("status", "template"), sealed=True)
LEASES = Table("engine-leases")


@dataclass(frozen=True, slots=True)
class Held:
    """A state as it was read, with the version that the next change expects."""

    state: RunState
    version: int

    @property
    def expected(self) -> Expect:
        return Expect(RUN_STATES, self.state.tenant, self.state.id, self.version)


def moved(
    state: RunState, status: RunStatus, *, at_ns: int, by: str = "", reason: str = "", **changes: object
) -> RunState:
    """``state`` after a change of status, remembered among its last moves."""
    reason = reason[:MAX_REASON_CHARS]
    move = Move(at_ns=at_ns, status=status, by=by, reason=reason)
    ended_ns = at_ns if status in ENDED or status is RunStatus.FAILED else 0
    return msgspec.structs.replace(
        state, status=status, at_ns=at_ns, reason=reason, by=by or state.by, ended_ns=ended_ns,
        moves=(*state.moves, move)[-MAX_MOVES:], **changes,
    )  # fmt: skip


def state_put(state: RunState) -> Put:
    index = {"status": (state.status.value,), "template": (state.template,)}
    return Put(RUN_STATES, state.tenant, state.id, encode(state), index)


def lease_put(owner: str, *, at_ns: int, until_ns: int) -> Put:
    lease = Lease(id=owner, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns, until_ns=until_ns)
    return Put(LEASES, DEFAULT_TENANT, owner, encode(lease))


class RunStates:
    """Reads where runs stand."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, tenant: TenantId, run: str) -> Held | None:
        row = await self._store.get(RUN_STATES, tenant, run)
        return None if row is None else _held(row)

    async def tenants(self) -> list[TenantId]:
        return await self._store.tenants(RUN_STATES)

    async def list(
        self, tenant: TenantId, *, status: RunStatus | None = None, after: str = "", limit: int = 100,
        oldest_first: bool = False,
    ) -> list[Held]:  # fmt: skip
        """Runs past ``after``, newest first unless said otherwise; of one status, or of all."""
        limit, reverse = min(limit, MAX_PAGE_ROWS), not oldest_first
        if status is None:
            rows = await self._store.scan(RUN_STATES, tenant, after=after, limit=limit, reverse=reverse)
        else:
            rows = await self._store.find(
                RUN_STATES, tenant, "status", status.value, after=after, limit=limit, reverse=reverse
            )
        return [_held(row) for row in rows]

    async def is_alive(self, owner: str, *, now_ns: int) -> bool:
        """Whether an engine of that name said that it is at work still."""
        row = await self._store.get(LEASES, DEFAULT_TENANT, owner)
        return row is not None and decode(row.value, Lease).until_ns > now_ns


def _held(row: Row) -> Held:
    return Held(decode(row.value, RunState), row.version)
