"""Names in a question that no event has: whoever misspells one finds nothing, and would take it for an answer."""

import difflib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from phalanx.intel.archive._limits import MAX_NEAR_FROM, NEAR_NAMES
from phalanx.intel.archive._names import COMMON, LOG_SOURCE, READER, meant
from phalanx.intel.archive._query import And, Compare, CountBy, Expr, Match, Not, Or, Query, Regex


class Unknown(NamedTuple):
    """A name that no event has which was looked at, and names that are like it."""

    name: str
    near: tuple[str, ...]


class Unheard:
    """Hears the names of fields, shard by shard, and knows which of a question's names were among none of them."""

    def __init__(self, query: Query) -> None:
        stage = query.stage.fields if isinstance(query.stage, CountBy) else ()
        names = dict.fromkeys((*_named(query.where), *stage))
        self._left = {
            name: frozenset(field for one in meant(name) for field in one.fields)
            for name in names
            if name.lower() not in (LOG_SOURCE, READER)
        }
        self._heard: set[str] = set()

    def hear(self, fields: Iterable[str]) -> None:
        """Names of fields in lower case."""
        if not self._left:
            return
        self._heard.update(fields)
        self._left = {name: wanted for name, wanted in self._left.items() if self._heard.isdisjoint(wanted)}

    def told(self) -> tuple[Unknown, ...]:
        """The names that nobody had; none where nothing was heard."""
        if not self._heard:
            return ()
        # To compare with very many names takes long; the common ones come first.
        known = [*COMMON, *sorted(self._heard)[:MAX_NEAR_FROM]]
        return tuple(
            Unknown(name, tuple(dict.fromkeys(difflib.get_close_matches(name.lower(), known, n=NEAR_NAMES))))
            for name in self._left
        )


def _named(expr: Expr) -> Iterator[str]:
    match expr:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _named(part)
        case Not(part):
            yield from _named(part)
        case Match() | Regex() | Compare():
            yield expr.field
