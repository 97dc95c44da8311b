"""Whether a node's name is unique in a calendar that nodes share: its workers are listed under it."""

from collections.abc import Callable

from phalanx.core import DEFAULT_TENANT, NS_PER_S, Clock, InvalidInput, Put, Store, Table
from phalanx.node._limits import DOUBT_NAME_S, LOOK_AT_NAME_S

_NAMES = Table("calendar_names")


class CalendarName:
    """Writes who has the name. What it wrote stays, unless another node that runs has the same name.

    ``life`` is a name of this life of the node: what an earlier one wrote, or one that has moved, is written over.
    """

    def __init__(self, store: Store, clock: Clock, name: str, life: str) -> None:
        self._store, self._clock, self._name, self._life = store, clock, name, life.encode()
        self._written = False
        # Until when another one may still be about to write: it is looked for longer than anybody waits with that.
        self._doubted_until_ns = 0

    async def keep(self, alone: Callable[[], None]) -> None:
        """Look until cancelled; ``alone`` each time that nobody else was there lately. Raises ``InvalidInput``."""
        while True:
            row = await self._store.get(_NAMES, DEFAULT_TENANT, self._name)
            now_ns = self._clock.monotonic_ns()
            if row is None or row.value != self._life:
                # Written first: so the other one is told as well.
                await self._store.commit([Put(_NAMES, DEFAULT_TENANT, self._name, self._life)])
                before, self._written = self._written and row is not None, True
                if before:
                    self._doubted_until_ns = now_ns + DOUBT_NAME_S * NS_PER_S
                    raise self._taken()
            if now_ns >= self._doubted_until_ns:
                alone()
            await self._clock.sleep(LOOK_AT_NAME_S)

    def _taken(self) -> InvalidInput:
        return InvalidInput(
            "node.name", f"another node that uses this calendar is called {self._name!r} too: what is booked of the "
            "workers of one is booked of the other's", hint="give one of them another name",
        )  # fmt: skip
