"""What is known about this node's missions that others have copies of. Book-keeping, and the term they were given
in.

A new term begins whenever what was given before must be distinguishable from what is given after. It is in the
store before anything is given in it.
"""

from collections.abc import Callable

from phalanx.agents._bequest_line import Bequeathed, Line
from phalanx.agents._succession_words import BEQUESTS, TERMS, Bequest
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Put, Store, decode
from phalanx.telemetry import Telemetry

_OWN_TERM = "own"


class Estate:
    """Missions by id, and by heir in lines. ``on_line`` is told of every heir that is new."""

    def __init__(self, store: Store, telemetry: Telemetry, on_line: Callable[[str], None]) -> None:
        self.known: dict[str, Bequeathed] = {}
        self.lines: dict[str, Line] = {}
        self.term = 0
        # There may be missions that have no heir yet.
        self.news = True
        self.wake: Callable[[], None] = _nobody
        self._store, self._on_line = store, on_line
        self._kept = telemetry.metrics.gauge("phalanx_missions_with_heir", "Missions that another node would continue.")

    async def open(self) -> None:
        """Begin a new term, and find what earlier ones left."""
        row = await self._store.get(TERMS, DEFAULT_TENANT, _OWN_TERM)
        await self.begin_term(int(row.value) if row else 0)
        for tenant in await self._store.tenants(BEQUESTS):
            after = ""
            while rows := await self._store.scan(BEQUESTS, tenant, after=after, limit=MAX_PAGE_ROWS):
                for one in rows:
                    self.add(Bequeathed(decode(one.value, Bequest), ours=False, kept=True))
                after = rows[-1].key

    async def begin_term(self, last: int | None = None) -> None:
        """A term later than ours, and than ``last``."""
        term = max(last or 0, self.term) + 1
        await self._store.commit([Put(TERMS, DEFAULT_TENANT, _OWN_TERM, str(term).encode())])
        self.term = term

    def line(self, heir: str) -> Line:
        """What there is to say to an heir."""
        line = self.lines.get(heir)
        if line is None:
            line = self.lines[heir] = Line()
            self._on_line(heir)
        return line

    def add(self, one: Bequeathed) -> None:
        self.known[one.record.id] = one
        line = self.line(one.record.heir)
        line.missions[one.record.id] = one
        line.stirred.set()

    def release(self, one: Bequeathed) -> None:
        """The heir has no part in it any more."""
        was_ours, self.news = one.ours, True
        one.released, one.ours, one.kept, one.offer = True, True, False, None
        if one.ending is not None and not one.ending.done():
            one.ending.set_result(True)
        if one.ending is None:
            self.forget(one.record.id)
        else:
            self.lines[one.record.heir].missions.pop(one.record.id, None)
        if not was_ours:
            self.wake()

    def forget(self, mission: str) -> Bequeathed | None:
        """Nothing more is to be known of it; what was."""
        one = self.known.pop(mission, None)
        if one is not None:
            self.lines[one.record.heir].missions.pop(mission, None)
        self.count()
        return one

    def counts(self) -> dict[str, int]:
        """How many missions each heir has a copy of, by its word."""
        return {
            heir: sum(one.kept and not one.taken for one in line.missions.values()) for heir, line in self.lines.items()
        }

    def count(self) -> None:
        self._kept.set(sum(one.kept and not one.taken for one in self.known.values()))


def _nobody() -> None:
    """Where nobody waits."""
