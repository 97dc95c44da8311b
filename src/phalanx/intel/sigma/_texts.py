"""Values of one column or of several as one text, in which many literals are found in one pass.

A line end stands before the first, between each two and after the last, so a literal with line ends of its own is found
where a value begins or ends. Rows without a value cost nothing: which row a place in the text is of is worked out when
something was found, and for most columns nothing is.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from phalanx.core import Value

BETWEEN: Final = "\n"


class Texts:
    """The values of ``columns`` that are there, as text."""

    __slots__ = ("_columns", "_data", "_lower", "_values")

    def __init__(self, columns: Sequence[Sequence[Value]]) -> None:
        self._columns = columns
        self._values: list[Any] = [value for column in columns for value in column if value is not None]
        self._data: bytes | None = None
        self._lower: str | None = None

    @property
    def data(self) -> bytes:
        """The text as bytes: as it came where all of it is ASCII, in lower case otherwise.

        Whoever looks for ASCII letters regardless of their case finds the same in both, and lower case costs more than
        the search.
        """
        if self._data is None:
            joined = self._joined()
            self._data = (joined if joined.isascii() else self.lower).encode("utf-8", "surrogatepass")
        return self._data

    @property
    def lower(self) -> str:
        """The text in lower case."""
        if self._lower is None:
            self._lower = self._joined().lower()
        return self._lower

    def lowered(self) -> list[str]:
        """Each value in lower case."""
        try:
            return [value.lower() for value in self._values]
        except AttributeError:
            self._make_text()
            return [text.lower() for text in self._values]

    def rows(self) -> Sequence[int]:
        """The row that each value is of."""
        n = len(self._columns[0])
        if len(self._columns) == 1 and len(self._values) == n:
            return range(n)
        return [row for column in self._columns for row, value in enumerate(column) if value is not None]

    def rows_at(self, ends: Sequence[int]) -> list[int]:
        """The rows of the values that are at ``ends`` in ``data``: where something found there ends."""
        rows, edges = self.rows(), self._edges()
        # What a line end of a literal's own makes of the last value lies past it.
        last = len(edges) - 1
        return [rows[min(bisect_left(edges, end), last)] for end in ends]

    def _edges(self) -> list[int]:
        """Where each value ends in ``data``; its first byte is the line end before them."""
        if self.data.isascii():
            return list(accumulate([len(text) + 1 for text in self._values]))
        return list(accumulate([len(text.encode("utf-8", "surrogatepass")) + 1 for text in self.lowered()]))

    def _joined(self) -> str:
        try:
            return BETWEEN.join(["", *self._values, ""])
        except TypeError:
            self._make_text()
            return BETWEEN.join(["", *self._values, ""])

    def _make_text(self) -> None:
        self._values = [value if value.__class__ is str else as_text(value) for value in self._values]


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
