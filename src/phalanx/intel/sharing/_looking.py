"""What TAXII asks of a collection: filters, versions and pages (TAXII 2.1, sections 3.4 and 3.5)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from phalanx.core import NS_PER_US, InvalidInput, Store, TenantId, decode, ns_from_iso
from phalanx.intel.sharing._checking import comparable_time, is_time
from phalanx.intel.sharing._ids import is_stix_id
from phalanx.intel.sharing._limits import (
    DEFAULT_PAGE_OBJECTS,
    MAX_MATCH_VALUES,
    MAX_PAGE_OBJECTS,
    MAX_SCANNED_ROWS,
    SCAN_ROWS,
)
from phalanx.intel.sharing._shelf import OBJECTS, Kept, Shelf, row_key
from phalanx.messaging import Marking

FIRST, LAST, ALL = "first", "last", "all"
_WORDS: Final = frozenset({FIRST, LAST, ALL})
_CURSOR_CHARS = 16


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Empty means: anything; ``versions`` without a value means the last one."""

    added_after_ns: int = 0
    limit: int = DEFAULT_PAGE_OBJECTS
    after: str = ""
    ids: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset({LAST})
    spec_versions: frozenset[str] = frozenset()
    ceiling: Marking = Marking.AMBER_STRICT

    def wants(self, kept: Kept) -> bool:
        return (
            kept.marking <= self.ceiling
            and kept.at_ns > self.added_after_ns
            and (not self.ids or kept.object in self.ids)
            and (not self.types or kept.type in self.types)
            and (not self.spec_versions or "2.1" in self.spec_versions)
            and self._wants_version(kept)
        )

    def _wants_version(self, kept: Kept) -> bool:
        asked = self.versions
        if ALL in asked or (LAST in asked and kept.newest) or (FIRST in asked and kept.oldest):
            return True
        return bool(asked - _WORDS) and comparable_time(kept.version) in {
            comparable_time(one) for one in asked - _WORDS
        }


@dataclass(frozen=True, slots=True)
class Found:
    """One page, in the order in which the versions were added; ``next`` is empty on the last."""

    rows: Sequence[Kept] = field(default_factory=tuple)
    next: str = ""


def read_query(params: Sequence[tuple[str, str]], *, ceiling: Marking, only: str = "") -> Query:
    """The query that a URL asks. Raises ``InvalidInput`` naming the parameter."""
    asked: dict[str, str] = {}
    for name, value in params:
        if name in asked:
            raise InvalidInput(name, "is given twice")
        asked[name] = value
    known = {"added_after", "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]"}
    # What is not known is ignored, as the standard wants; a filter that is not known would widen the answer.
    for name in asked:
        if name.startswith("match[") and name not in known:
            raise InvalidInput(name, "is no filter of TAXII 2.1")
    versions = _values(asked, "match[version]") or frozenset({LAST})
    if not all(one in _WORDS or is_time(one) for one in versions):
        raise InvalidInput("match[version]", "is neither first, last, all nor a time")
    if ALL in versions and len(versions) > 1:
        raise InvalidInput("match[version]", "all cannot be combined with others")
    ids = frozenset({only}) if only else _values(asked, "match[id]")
    if not all(map(is_stix_id, ids)):
        raise InvalidInput("match[id]", "is no id of an object")
    after = asked.get("next", "")
    if after and (len(after) != _CURSOR_CHARS or not set(after) <= set("0123456789abcdef")):
        raise InvalidInput("next", "is no cursor of this collection")
    return Query(
        added_after_ns=_time(asked.get("added_after", "")), limit=_limit(asked.get("limit", "")), after=after, ids=ids,
        types=frozenset() if only else _values(asked, "match[type]"), versions=versions,
        spec_versions=_values(asked, "match[spec_version]"), ceiling=ceiling,
    )  # fmt: skip


class Looking:
    """Answers queries about one store."""

    def __init__(self, store: Store, shelf: Shelf) -> None:
        self._store = store
        self._shelf = shelf

    async def page(self, tenant: TenantId, collection: str, query: Query) -> Found:
        """One page. It may be short, and still have a next, where much had to be looked through."""
        rows: list[Kept] = []
        seen, last = 0, ""
        async for kept in self._candidates(tenant, collection, query):
            if query.wants(kept):
                if len(rows) == query.limit:
                    return Found(rows, _cursor(rows[-1].id))
                rows.append(kept)
            seen, last = seen + 1, kept.id
            # A page without objects that says there are more is read as the end by some clients.
            if seen >= MAX_SCANNED_ROWS and rows:
                return Found(rows, _cursor(last))
        return Found(rows)

    async def _candidates(self, tenant: TenantId, collection: str, query: Query) -> AsyncIterator[Kept]:
        begin = max(row_key(collection, query.added_after_ns), f"{collection}/{query.after}")
        if query.ids:
            found = [row for one in sorted(query.ids) for row in await self._shelf.versions(tenant, collection, one)]
            for kept in sorted(found, key=lambda row: row.id):
                if kept.id > begin:
                    yield kept
            return
        index = {frozenset({LAST}): "newest", frozenset({FIRST}): "oldest"}.get(query.versions, "")
        while True:
            if index:
                part = await self._store.find(OBJECTS, tenant, index, collection, after=begin, limit=SCAN_ROWS)
            else:
                part = await self._store.scan(OBJECTS, tenant, prefix=f"{collection}/", after=begin, limit=SCAN_ROWS)
            for row in part:
                yield decode(row.value, Kept)
            if len(part) < SCAN_ROWS:
                return
            begin = part[-1].key


def _cursor(key: str) -> str:
    return key.rpartition("/")[2]


def _values(asked: dict[str, str], name: str) -> frozenset[str]:
    values = frozenset(filter(None, asked.get(name, "").split(",")))
    if len(values) > MAX_MATCH_VALUES:
        raise InvalidInput(name, f"has more than {MAX_MATCH_VALUES} values")
    return values


def _time(text: str) -> int:
    if not text:
        return 0
    if not is_time(text):
        raise InvalidInput("added_after", "is not a time like 2026-01-02T03:04:05.678901Z")
    try:
        return ns_from_iso(text) // NS_PER_US * NS_PER_US
    except ValueError as error:
        raise InvalidInput("added_after", str(error)) from error


def _limit(text: str) -> int:
    if not text:
        return DEFAULT_PAGE_OBJECTS
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) < 1:
        raise InvalidInput("limit", "is not a whole number above 0")
    return min(int(text), MAX_PAGE_OBJECTS)
