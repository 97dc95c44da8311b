"""A batch in the forms in which rules ask about it, each made once, on first use."""

from collections.abc import Sequence

from phalanx.core import EventBatch, Value
from phalanx.intel.sigma._sources import aliases


class View:
    """Columns as values, as text, and as lower-case text."""

    __slots__ = ("_aliases", "_cased", "_lower", "batch")

    def __init__(self, batch: EventBatch) -> None:
        self.batch = batch
        self._aliases = aliases(batch.log_source)
        self._cased: dict[str, list[str]] = {}
        self._lower: dict[str, list[str]] = {}

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
            texts = [value if isinstance(value, str) else as_text(value) for value in column]
            found = made[field] = texts if cased else [text.lower() for text in texts]
        return found

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
