"""What a node keeps of what it has seen: checkpoints by log and size, and split views.

A checkpoint is ``linked`` when it is known to be of one history with the largest linked one of
its log, ``open`` until then, and ``split`` when it is known not to be. Of each size the first one
is kept; a second one with another root is a split view.
"""

from enum import Enum

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Delete, Put, Record, Store, Table, decode, derive_id, encode
from phalanx.ledger.witness._keys import Head
from phalanx.ledger.witness._limits import MAX_KEPT_NOTES, MAX_OPEN_NOTES, MAX_SPLIT_VIEWS, MAX_SPLIT_VIEWS_OF_LOG
from phalanx.ledger.witness._split import SplitView

SEEN = Table("ledger_seen", indexes=("state",))
SPLIT_VIEWS = Table("ledger_split_views")
_HOME = DEFAULT_TENANT


class State(Enum):
    """What is known of a checkpoint."""

    LINKED = "linked"
    OPEN = "open"
    SPLIT = "split"


class SeenNote(Record, frozen=True, kw_only=True, tag="seen-note"):
    """A checkpoint with its log's own signatures, since ``at_ns``, from ``source``."""

    origin: str
    size: int
    root: str
    note: str
    state: State
    source: str


class FoundSplitView(Record, frozen=True, kw_only=True, tag="found-split-view"):
    """A split view, and when this node learnt of it."""

    evidence: SplitView
    source: str


class Seen:
    """Rows of both tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note(self, origin: str, size: int) -> SeenNote | None:
        row = await self._store.get(SEEN, _HOME, _key(origin, size))
        return decode(row.value, SeenNote) if row else None

    async def newest(self, origin: str) -> SeenNote | None:
        """The largest linked checkpoint of a log."""
        rows = await self._store.find(SEEN, _HOME, "state", _state(origin, State.LINKED), reverse=True, limit=1)
        return decode(rows[0].value, SeenNote) if rows else None

    async def open_notes(self, origin: str) -> list[SeenNote]:
        """Checkpoints whose history is in question, the smallest first."""
        rows = await self._store.find(SEEN, _HOME, "state", _state(origin, State.OPEN), limit=MAX_OPEN_NOTES)
        return [decode(row.value, SeenNote) for row in rows]

    async def keep(self, head: Head, note: str, state: State, *, source: str, at_ns: int) -> None:
        """Keep a checkpoint, or what is now known of it."""
        row = SeenNote(
            id=derive_id(at_ns, "seen", head.origin, str(head.size)),
            tenant=_HOME,
            trace=NO_TRACE,
            at_ns=at_ns,
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            note=note,
            state=state,
            source=source,
        )
        index = {"state": (_state(head.origin, state),)}
        await self._store.commit([Put(SEEN, _HOME, _key(head.origin, head.size), encode(row), index)])

    async def prune(self, origin: str) -> None:
        """Forget the smallest linked checkpoints beyond what is kept."""
        value = _state(origin, State.LINKED)
        newest = await self._store.find(SEEN, _HOME, "state", value, reverse=True, limit=MAX_KEPT_NOTES)
        if len(newest) < MAX_KEPT_NOTES:
            return
        oldest = await self._store.find(SEEN, _HOME, "state", value, limit=MAX_KEPT_NOTES)
        beyond = [row.key for row in oldest if row.key < newest[-1].key]
        if beyond:
            await self._store.commit([Delete(SEEN, _HOME, key) for key in beyond])

    async def keep_split_view(self, found: FoundSplitView) -> bool:
        """False when it is known already, or so many of its log are that one more says nothing new."""
        prefix = f"{found.evidence.origin} "
        rows = await self._store.scan(SPLIT_VIEWS, _HOME, prefix=prefix, limit=MAX_SPLIT_VIEWS_OF_LOG)
        key = prefix + found.id
        if len(rows) >= MAX_SPLIT_VIEWS_OF_LOG or any(row.key == key for row in rows):
            return False
        await self._store.commit([Put(SPLIT_VIEWS, _HOME, key, encode(found))])
        return True

    async def split_views(self) -> list[FoundSplitView]:
        """Those found, the newest first."""
        rows = await self._store.scan(SPLIT_VIEWS, _HOME, limit=MAX_SPLIT_VIEWS)
        found = [decode(row.value, FoundSplitView) for row in rows]
        return sorted(found, key=lambda one: (one.at_ns, one.id), reverse=True)


def _key(origin: str, size: int) -> str:
    # No origin has white space, and as many digits as 2^63 has order as their numbers do.
    return f"{origin} {size:019d}"


def _state(origin: str, state: State) -> str:
    return f"{state.value} {origin}"
