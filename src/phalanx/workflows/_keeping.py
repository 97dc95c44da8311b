"""What an engine keeps for a run, on the condition that it still has it.

Every commit expects the run's state to be the one that was taken up. Where the row changed meanwhile, it is read: if
the run is still this engine's (somebody wants it paused, say), the commit is tried again with what is there now; if
another engine took it up or it ended, nothing is kept (``Taken``).
"""

from collections.abc import Callable, Sequence

from phalanx.core import Clock, Conflict, Expect, Store, Write
from phalanx.workflows._errors import Taken
from phalanx.workflows._limits import MAX_COMMIT_TRIES
from phalanx.workflows._states import RUN_STATES, Held, RunState, RunStates, RunStatus, Wanted, state_put


class Keeper:
    """Commits for one run that one engine has taken up."""

    def __init__(self, store: Store, clock: Clock, held: Held) -> None:
        self._store = store
        self._clock = clock
        self._states = RunStates(store)
        self._held = held
        self.heard: Callable[[], None] = _nobody

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
        then: Callable[[RunState], RunState | None] | None = None,
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
