"""Who pays for jobs: what has to be written together with a job so that its money is right.

Invariant: what a job holds, and what it cost in the end, is in the commit of the job itself. So a node that dies
leaves a job with its money held or with its money settled, never one without the other.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import Conflict, Expect, Store, Write
from phalanx.devices._job_records import JOB_KEYS, JOBS, Job
from phalanx.devices._limits import MAX_PURSE_CONFLICTS


@dataclass(frozen=True, slots=True)
class Dues:
    """Writes that belong into the commit of a job, and what they expect."""

    writes: Sequence[Write] = ()
    expect: Sequence[Expect] = ()


class Purse(Protocol):
    """What budgets are to jobs. ``due`` is asked for a job as it is about to be written.

    A job that is under way holds its estimate, one that completed is settled, one that failed or was cancelled is
    released; asked again for the same job there is nothing to write. Raises where a job would cost what nobody may
    spend. The block lasts until the commit, so that no other job of the tenant comes in between.
    """

    def due(self, job: Job, /) -> AbstractAsyncContextManager[Dues]: ...


class NoPurse:
    """Nobody pays."""

    def due(self, job: Job, /) -> AbstractAsyncContextManager[Dues]:  # noqa: ARG002 - a purse's signature
        return nullcontext(Dues())


async def commit_paid(store: Store, purse: Purse, job: Job, writes: Sequence[Write], expect: Sequence[Expect]) -> int:
    """Write ``job`` and its dues together. Raises ``Conflict`` when somebody else wrote the job first."""
    for attempt in range(MAX_PURSE_CONFLICTS):
        async with purse.due(job) as dues:
            try:
                return await store.commit([*writes, *dues.writes], expect=[*expect, *dues.expect])
            except Conflict as conflict:
                # Another node's job of the same tenant was written: what is left is read again.
                if conflict.table in {JOBS.name, JOB_KEYS.name} or attempt + 1 == MAX_PURSE_CONFLICTS:
                    raise
    raise AssertionError("unreachable")
