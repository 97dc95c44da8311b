"""A batch in the forms in which rules ask about it, each made once, on first use."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from phalanx.core import EventBatch, Value
from phalanx.intel.sigma._sources import aliases

# What stands between the values of a column that are taken as one text.
BETWEEN: Final = "\n"


class View:
    """Columns as values, as text, as lower-case text, and as one text."""

    __slots__ = ("_aliases", "_cased", "_joined", "_lower", "batch")

    def __init__(self, batch: EventBatch) -> None:
        self.batch = batch
        self._aliases = aliases(batch.log_source)
        self._cased: dict[str, list[str]] = {}
        self._lower: dict[str, list[str]] = {}
        self._joined: dict[str, str] = {}

    def values(self, field: str) -> Sequence[Value] | None:
        """The column of ``field``, under that name or the one its source uses; None if there is none."""
        column = self.batch.columns.get(field)
        if column is None and field in self._aliases:
            column = self.batch.columns.get(self._aliases[field])
        return column

    def text(self, field: str, *, cased: bool) -> list[str] | None:
        """The column as text, in lower case unless ``cased``; the empty string where the field is absent."""
        made = self._cased if cased else self._lower
        found = made.get(field)
        if found is None and (column := self.values(field)) is not None:
            if cased:
                found = [value if value.__class__ is str else as_text(value) for value in column]
            else:
                found = self._lowered(field)
            made[field] = found
        return found

    def joined(self, field: str) -> str | None:
        """The column's values in lower case, one after another with ``BETWEEN`` between them; None if there is none."""
        found = self._joined.get(field)
        if found is None and (texts := self.text(field, cased=True)) is not None:
            found = self._joined[field] = BETWEEN.join(texts).lower()
        return found

    def _lowered(self, field: str) -> list[str]:
        joined = self.joined(field)
        assert joined is not None, "the column is there"
        lowered = joined.split(BETWEEN)
        if len(lowered) == len(self.batch):
            return lowered
        # Some value has a line end of its own.
        return [text.lower() for text in self._cased[field]]

    def ends(self, field: str) -> list[int]:
        """Where each value ends in the bytes of ``joined``."""
        texts = self.text(field, cased=False) or []
        joined = self._joined[field]
        if joined.isascii():
            return list(accumulate((len(text) for text in texts), lambda end, size: end + 1 + size))
        sizes = (len(text.encode("utf-8", "surrogatepass")) for text in texts)
        return list(accumulate(sizes, lambda end, size: end + 1 + size))

    def present(self, field: str, rows: Sequence[int]) -> Sequence[int]:
        """Those of ``rows`` that have the field."""
        column = self.values(field)
        return () if column is None else [row for row in rows if column[row] is not None]


def as_text(value: Value) -> str:
    """A value as rules compare it: numbers and booleans as JSON writes them, nothing as nothing."""
    if value is None:
        return ""
    if value.__class__ is bool:
        return "true" if value else "false"
    return str(value)


def as_number(value: Value) -> float | None:
    """The number that a value is or spells; None for everything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
