"""What became of one envelope, recipient by recipient."""

import asyncio
from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Protocol

from phalanx.core import PhalanxError
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._errors import error_of
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_NAMED_REFUSALS


class Accounted(Protocol):
    """Where the end of an envelope at one of its recipients is accounted."""

    def settle(self, name: str, taken: int = 1, refused: Sequence[tuple[str, Outcome]] = ()) -> bool:
        """``name`` is through with it. False when it was before."""

    def refuse(self, name: str, outcome: Outcome) -> bool:
        """``name`` will not have it. False when its end was known before."""


class Receipt:
    """``outstanding`` are the recipients, and the processes, without an end yet.

    ``taken`` counts recipients that met the kind's guarantee; ``refused`` names the first of the others and how each
    ended, ``refusals`` counts them all.
    """

    __slots__ = ("_on_end", "_pending", "_waiters", "envelope", "outstanding", "refusals", "refused", "taken")

    def __init__(
        self,
        envelope: Envelope,
        outstanding: Collection[str],
        pending: MutableMapping[int, "Receipt"] | None,
        on_end: "Callable[[Receipt], None] | None" = None,
    ) -> None:
        self.envelope = envelope
        # Nearly always there is one, and no set is made for it.
        self.outstanding: Collection[str] = outstanding if len(outstanding) == 1 else set(outstanding)
        self.taken = 0
        self.refusals = 0
        self.refused: Sequence[tuple[str, Outcome]] = ()
        self._waiters: asyncio.Future[None] | list[asyncio.Future[None]] | None = None
        self._pending = pending
        self._on_end = on_end
        if pending is not None and self.outstanding:
            pending[envelope.number] = self

    @property
    def is_ended(self) -> bool:
        return not self.outstanding

    def settle(self, name: str, taken: int = 1, refused: Sequence[tuple[str, Outcome]] = ()) -> bool:
        """``name`` is through with it. False when it was before."""
        outstanding = self.outstanding
        if name not in outstanding:
            return False
        self.taken += taken
        if refused:
            self.refusals += len(refused)
            self.refused = [*self.refused, *refused][:MAX_NAMED_REFUSALS]
        if isinstance(outstanding, set):
            outstanding.remove(name)
            if outstanding:
                return True
        self.outstanding = ()
        self._end()
        return True

    def refuse(self, name: str, outcome: Outcome) -> bool:
        """``name`` will not have it. False when its end was known before."""
        return self.settle(name, 0, ((name, outcome),))

    async def ended(self) -> "Receipt":
        """Wait until every recipient has come to an end. The deadline is one."""
        if self.outstanding:
            await self.waiter()
        return self

    def waiter(self) -> asyncio.Future[None]:
        """A future that is done when ``ended`` would be; only for what is outstanding."""
        made = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = made
        elif isinstance(self._waiters, list):
            self._waiters.append(made)
        else:
            self._waiters = [self._waiters, made]
        return made

    @property
    def error(self) -> PhalanxError | None:
        """Why nobody got it, when nobody did."""
        if self.taken or self.outstanding or not self.refused:
            return None
        name, outcome = self.refused[0]
        return error_of(outcome, name)

    def _end(self) -> None:
        if self._pending is not None:
            self._pending.pop(self.envelope.number, None)
        if self._on_end is not None:
            self._on_end(self)
        waiters = self._waiters
        if waiters is None:
            return
        self._waiters = None
        # Nearly always there is one, and no list is made for it.
        for waiter in waiters if isinstance(waiters, list) else (waiters,):
            if not waiter.done():
                waiter.set_result(None)


class Place(Protocol):
    """Where there may be no room: a mailbox here, or a link."""

    @property
    def address(self) -> str: ...

    async def wait_for_room(self, receipt: Receipt) -> None: ...


def delivered(envelope: Envelope) -> Receipt:
    """The receipt of what lies in its only recipient's mailbox already."""
    receipt = Receipt.__new__(Receipt)
    receipt.envelope = envelope
    receipt.outstanding = ()
    receipt.taken = 1
    receipt.refusals = 0
    receipt.refused = ()
    return receipt
