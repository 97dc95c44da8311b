"""What a sink is to be told next: from the notices as they come, or from the tables when it is told again.

A replay goes through the tables of its kinds in the order of their keys and gives what was recorded since a
moment. That takes no notices: what was told long ago, or before there was a sink, can be told as well.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import Assessment, Decision, Event, Finding, Record, Store, Table, TenantId, decode
from phalanx.intel._model import BatchEntry
from phalanx.intel.delivery._items import event_items, item_of, noticed_item
from phalanx.intel.delivery._limits import MAX_PAGE_NOTICES, PAUSE_ITEMS
from phalanx.intel.delivery._model import CASE, DECISION, EVENT, FINDING, Item, Past, Place
from phalanx.intel.delivery._notices import Notices
from phalanx.intel.reading import OWN

_RECORDS: Mapping[str, type[Record]] = {FINDING: Finding, CASE: Assessment, DECISION: Decision, EVENT: BatchEntry}


class BatchEvents(Protocol):
    """The events of an accepted batch, in order of their rows; empty when they are not kept any more."""

    async def __call__(self, entry: BatchEntry, /) -> Sequence[Event]: ...


@dataclass(frozen=True, slots=True)
class Fed:
    """Something to tell, and where the sink stands once it is told. ``item`` is None for a gap or the end of a replay.

    ``since_ns`` is when it was written; ``lost`` how many events are not there any more.
    """

    item: Item | None
    place: Place
    past: Past | None
    since_ns: int
    lost: int = 0


class Feed:
    """Reads for all sinks; where each stands is its own business."""

    def __init__(self, store: Store, notices: Notices, events: BatchEvents, *, tables: Mapping[str, Table]) -> None:
        self._store = store
        self.notices = notices
        self._events = events
        # By kind.
        self._tables = dict(tables)

    async def after(self, tenant: TenantId, place: Place, past: Past | None, *, kinds: Sequence[str]) -> list[Fed]:
        """What comes next, up to a page of it; nothing when everything was told."""
        if past is not None:
            return await self._from_tables(tenant, place, past, kinds)
        found: list[Fed] = []
        for seq, notice in await self.notices.read(tenant, place.seq, limit=MAX_PAGE_NOTICES):
            behind = Place(seq + 1, 0)
            if notice.what not in kinds:
                found.append(Fed(None, behind, None, notice.at_ns))
            elif notice.what != EVENT:
                found.append(Fed(noticed_item(notice), behind, None, notice.at_ns))
            else:
                entry = decode(notice.record, BatchEntry)
                first = place.row if seq == place.seq else 0
                items, lost = await self._batch(entry, first)
                last = len(items) - 1
                found += [
                    Fed(item, behind if n == last else Place(seq, first + n + 1), None, notice.at_ns)
                    for n, item in enumerate(items)
                ]
                if not items:
                    found.append(Fed(None, behind, None, notice.at_ns, lost))
                if len(found) >= MAX_PAGE_NOTICES:
                    break
        return found

    async def _batch(self, entry: BatchEntry, first: int) -> tuple[list[Item], int]:
        events = await self._events(entry)
        lost = 0 if events else max(0, entry.events - entry.rejected)
        items: list[Item] = []
        for begin in range(first, len(events), PAUSE_ITEMS):
            items += event_items(events[begin : begin + PAUSE_ITEMS])
            await asyncio.sleep(0)
        return items, lost

    async def _from_tables(self, tenant: TenantId, place: Place, past: Past, kinds: Sequence[str]) -> list[Fed]:
        rows: list[tuple[str, str, bytes]] = []
        # Up to the last key of the shortest full page all tables were read; beyond it they were not.
        bound = ""
        for kind in kinds:
            page = await self._store.scan(self._tables[kind], tenant, after=past.key, limit=MAX_PAGE_NOTICES)
            rows += [(row.key, kind, row.value) for row in page]
            if len(page) == MAX_PAGE_NOTICES:
                bound = min(bound or page[-1].key, page[-1].key)
        rows = sorted(row for row in rows if not bound or row[0] <= bound)
        if not rows:
            return [Fed(None, place, None, past.since_ns)]
        found: list[Fed] = []
        for key, kind, value in rows:
            record = decode(value, _RECORDS[kind])
            behind = Past(past.since_ns, key)
            if record.at_ns < past.since_ns or (isinstance(record, BatchEntry) and record.reader == OWN):
                found.append(Fed(None, place, behind, record.at_ns))
            elif isinstance(record, BatchEntry):
                first = past.row if key == rows[0][0] else 0
                items, lost = await self._batch(record, first)
                before = found[-1].past if found and found[-1].past is not None else past
                found += [
                    Fed(item, place, Past(past.since_ns, before.key, first + n + 1), record.at_ns)
                    for n, item in enumerate(items[:-1])
                ]
                found.append(Fed(items[-1] if items else None, place, behind, record.at_ns, lost))
                if len(found) >= MAX_PAGE_NOTICES:
                    break
            else:
                found.append(Fed(item_of(kind, value, fresh=True), place, behind, record.at_ns))
        return found
