"""What an engine stores for a run, on the condition that it still owns it.

Every commit expects the run's state to be the one that was taken up. If the row changed in the meantime, it is
read: if the run is still this engine's (somebody wants it paused, say), the commit is tried again on the new state;
if another engine took it up or it ended, nothing is stored (``Taken``).

Postings are stored in order, and the poster need not wait: postings that gather while a commit is under way share
the next one. Once one cannot be stored, nothing posted after it is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from phalanx.core import Clock, Conflict, Expect, PhalanxError, Store, Write
from phalanx.workflows._errors import Taken
from phalanx.workflows._limits import MAX_COMMIT_TRIES, MAX_POSTED_TOGETHER
from phalanx.workflows._states import RUN_STATES, Held, RunState, RunStates, RunStatus, Wanted, state_put

Then = Callable[[RunState], RunState | None]


@dataclass(slots=True, kw_only=True)
class Posting:
    """What is to be kept together. ``conflicting`` says what is wrong with what stands there already, if anything."""

    writes: Sequence[Write]
    expect: Sequence[Expect]
    then: Then | None
    conflicting: Callable[[Conflict], Awaitable[PhalanxError | None]]
    on_kept: Callable[[], None]
    kept: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def ended(self, error: PhalanxError | None) -> None:
        if error is None:
            self.on_kept()
        if self.kept.done():
            return  # Who waited was cancelled.
        if error is None:
            self.kept.set_result(None)
        else:
            self.kept.set_exception(error)
            self.kept.exception()  # It is told by ``drained`` too; nobody has to wait for this one.


class Keeper:
    """Commits for one run that one engine has taken up."""

    def __init__(self, store: Store, clock: Clock, held: Held) -> None:
        self._store = store
        self._clock = clock
        self._states = RunStates(store)
        self._held = held
        self.heard: Callable[[], None] = _nobody
        self._posted: deque[Posting] = deque()
        self._keeping: asyncio.Task[None] | None = None
        self._broken: PhalanxError | None = None

    @property
    def state(self) -> RunState:
        return self._held.state

    @property
    def wanted(self) -> Wanted:
        return self._held.state.wanted

    def told(self, held: Held) -> None:
        """The state was changed by somebody of this process."""
        if held.version > self._held.version:
            self._held = held
            self.heard()

    async def commit(
        self,
        writes: Sequence[Write],
        *,
        expect: Sequence[Expect] = (),
        then: Then | None = None,
    ) -> None:
        """Keep ``writes``, and the state that ``then`` makes of the present one.

        Raises ``Conflict`` when one of ``expect`` does not hold, and ``Taken`` when the run is another engine's.
        """
        for _ in range(MAX_COMMIT_TRIES):
            held = self._held
            after = None if then is None else then(held.state)
            besides = () if after is None else (state_put(after),)
            try:
                version = await self._store.commit((*writes, *besides), expect=(*expect, held.expected))
            except Conflict as conflict:
                if conflict.table != RUN_STATES.name:
                    raise
                await self._look(held)
            else:
                if after is not None:
                    # Nobody can have changed it between what was expected and now but through this commit.
                    self.told(Held(after, version))
                return
        raise Taken(held.state.id)

    def post(self, posting: Posting) -> None:
        """Have it kept after all that was posted before. Raises what an earlier one could not be kept for."""
        if self._broken is not None:
            raise self._broken
        self._posted.append(posting)
        if self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep_posted())

    async def drained(self) -> None:
        """Wait until all that was posted is kept; raises why it could not be."""
        while self._keeping is not None:
            await asyncio.shield(self._keeping)
        if self._broken is not None:
            raise self._broken

    async def drop(self) -> None:
        """Stop keeping, as if the process had died here."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep_posted(self) -> None:
        try:
            while self._posted:
                together = [self._posted.popleft() for _ in range(min(len(self._posted), MAX_POSTED_TOGETHER))]
                await self._keep_together(together)
        finally:
            self._keeping = None

    async def _keep_together(self, together: Sequence[Posting]) -> None:
        if len(together) > 1 and self._broken is None:
            whole = replace(
                together[0],
                writes=[write for one in together for write in one.writes],
                expect=[expected for one in together for expected in one.expect],
                then=next((one.then for one in together if one.then is not None), None),
                conflicting=_itself,
            )
            if await self._fault(whole) is None:
                for one in together:
                    one.ended(None)
                return
            # Not all of them: one by one, those before the one at fault can be kept.
        for one in together:
            if self._broken is None:
                self._broken = await self._fault(one)
            one.ended(self._broken)

    async def _fault(self, posting: Posting) -> PhalanxError | None:
        try:
            await self.commit(posting.writes, expect=posting.expect, then=posting.then)
        except Conflict as conflict:
            try:
                return await posting.conflicting(conflict)
            except PhalanxError as error:
                return error
        except PhalanxError as error:
            return error
        return None

    async def refresh(self) -> None:
        """See what others want of the run. Raises ``Taken``."""
        await self._look(self._held)

    async def _look(self, had: Held) -> None:
        now = await self._states.held(had.state.tenant, had.state.id)
        if now is None or now.state.fence != had.state.fence or now.state.status is not RunStatus.RUNNING:
            raise Taken(had.state.id)
        self.told(now)


def _nobody() -> None:
    """Where nobody listens."""


async def _itself(conflict: Conflict) -> PhalanxError | None:
    """Nothing else will do."""
    return conflict
