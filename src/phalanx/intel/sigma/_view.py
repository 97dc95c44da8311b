"""A batch in the forms in which rules ask about it, each made once, on first use, and of no more rows than are asked
about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phalanx.core import EventBatch, Value
from phalanx.intel._limits import MAX_JOINED_VALUES
from phalanx.intel.sigma._sources import aliases
from phalanx.intel.sigma._texts import Texts, as_text

# From this part of the rows on it is cheaper to make a column as a whole.
_MANY = 0.5
_NUMBERS = frozenset((bool, float, int, type(None)))


class View:
    """Columns as values, as text, as lower-case text, and as one text."""

    __slots__ = ("_aliases", "_cased", "_everything", "_lower", "_some_cased", "_some_lower", "_texts", "batch")

    def __init__(self, batch: EventBatch) -> None:
        self.batch = batch
        self._aliases = aliases(batch.log_source)
        self._cased: dict[str, list[str]] = {}
        self._lower: dict[str, list[str]] = {}
        self._some_cased: dict[str, dict[int, str]] = {}
        self._some_lower: dict[str, dict[int, str]] = {}
        self._texts: dict[str, Texts] = {}
        self._everything: dict[bool, list[Texts]] = {}

    def values(self, field: str) -> Sequence[Value] | None:
        """The column of ``field``, under that name or the one its source uses; None if there is none."""
        column = self.batch.columns.get(field)
        if column is None and field in self._aliases:
            column = self.batch.columns.get(self._aliases[field])
        return column

    def text(self, field: str, rows: Sequence[int], *, cased: bool) -> Sequence[str] | Mapping[int, str] | None:
        """The column as text by row, at least that of ``rows``, in lower case unless ``cased``; the empty string where
        the field is absent."""
        whole = (self._cased if cased else self._lower).get(field)
        if whole is not None:
            return whole
        column = self.values(field)
        if column is None:
            return None
        if len(rows) > _MANY * len(self.batch):
            return self._whole(field, column, cased=cased)
        some = (self._some_cased if cased else self._some_lower).setdefault(field, {})
        for row in rows:
            if row not in some:
                value = column[row]
                text = value if isinstance(value, str) else as_text(value)
                some[row] = text if cased else text.lower()
        return some

    def texts(self, field: str) -> Texts | None:
        """The column's values that are there, for who looks for many literals in them; None if there is no column."""
        found = self._texts.get(field)
        if found is None and (column := self.values(field)) is not None:
            found = self._texts[field] = Texts((column,))
        return found

    def everything(self, *, words_only: bool) -> list[Texts]:
        """The values of all columns, several columns together where they are short. With ``words_only``, columns in
        which nothing was text are left out."""
        found = self._everything.get(words_only)
        if found is None:
            found = self._everything[words_only] = list(self._grouped(words_only=words_only))
        return found

    def present(self, field: str, rows: Sequence[int]) -> Sequence[int]:
        """Those of ``rows`` that have the field."""
        column = self.values(field)
        return () if column is None else [row for row in rows if column[row] is not None]

    def _whole(self, field: str, column: Sequence[Value], *, cased: bool) -> list[str]:
        made: list[Any] = [value if value.__class__ is str else as_text(value) for value in column]
        if cased:
            self._cased[field] = made
            return made
        lower = self._lower[field] = [text.lower() for text in made]
        return lower

    def _grouped(self, *, words_only: bool) -> Iterator[Texts]:
        columns, n = self.batch.columns, len(self.batch)
        waiting: list[Sequence[Value]] = []
        for name, column in columns.items():
            if words_only and not _has_text(column):
                continue
            if n >= MAX_JOINED_VALUES // 2:
                # Alone, and perhaps shared with who looks in this column.
                yield self.texts(name) or Texts((column,))
                continue
            waiting.append(column)
            if n * len(waiting) >= MAX_JOINED_VALUES:
                yield Texts(waiting)
                waiting = []
        if waiting:
            yield Texts(waiting)


def _has_text(column: Sequence[Value]) -> bool:
    return next(filter(None, column), None).__class__ is str or not _NUMBERS.issuperset(map(type, column))
