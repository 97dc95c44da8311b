"""What people may request of a run, and its state afterwards. Pure: state in, state out."""

from dataclasses import dataclass
from typing import Any

from phalanx.core import InvalidInput
from phalanx.workflows._states import RunState, RunStatus, Wanted, moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants something, why, and when that was."""

    by: str
    reason: str
    at_ns: int

    def to_pause(self, state: RunState) -> RunState:
        """No step begins any more; those at work end."""
        if state.status is RunStatus.PAUSED or state.wanted is Wanted.PAUSE:
            return state
        if state.wanted is Wanted.CANCEL:
            raise InvalidInput("run", "it is being cancelled and cannot be paused")
        if state.status is RunStatus.QUEUED:
            return self._moved(state, RunStatus.PAUSED)
        if state.status is RunStatus.RUNNING:
            return self._moved(state, RunStatus.RUNNING, wanted=Wanted.PAUSE)
        raise InvalidInput("run", f"it is {state.status.value} and cannot be paused")

    def to_resume(self, state: RunState, deadline_ns: int) -> RunState:
        """A paused run goes on, a failed one tries again where it failed."""
        if state.wanted is Wanted.CANCEL:
            raise InvalidInput("run", "it is being cancelled: cancel it again to take back what is left")
        if state.status is RunStatus.RUNNING and state.wanted is Wanted.PAUSE:
            return self._moved(state, RunStatus.RUNNING, wanted=Wanted.GO)
        if state.status in (RunStatus.RUNNING, RunStatus.QUEUED):
            return state
        if state.status not in (RunStatus.PAUSED, RunStatus.FAILED):
            raise InvalidInput("run", f"it is {state.status.value} and cannot go on")
        late = 0 < state.deadline_ns <= self.at_ns
        if late and not deadline_ns:
            raise InvalidInput("deadline_s", "the run's deadline has passed: give it another")
        return self._moved(
            state, RunStatus.QUEUED, wanted=Wanted.GO, step="", field="", queued_ns=self.at_ns,
            deadline_ns=deadline_ns or state.deadline_ns,
        )  # fmt: skip

    def to_cancel(self, state: RunState) -> RunState:
        """Steps at work are broken off, and what is done outside is taken back."""
        if state.status is RunStatus.CANCELLED:
            return state
        if state.status is RunStatus.DONE:
            raise InvalidInput("run", "it is done and cannot be cancelled")
        if state.status is RunStatus.RUNNING:
            return state if state.wanted is Wanted.CANCEL else self._moved(state, state.status, wanted=Wanted.CANCEL)
        if state.fence == 0:
            return self._moved(state, RunStatus.CANCELLED)  # Nothing has begun.
        return self._moved(state, RunStatus.QUEUED, wanted=Wanted.CANCEL, step="", field="", queued_ns=self.at_ns)

    def _moved(self, state: RunState, status: RunStatus, **changes: Any) -> RunState:
        return moved(state, status, at_ns=self.at_ns, reason=self.reason, **{"by": self.by, **changes})
