"""Events as numbers: the fields of a log source that say something, as columns of their own.

A number is itself. Of a text the frequent words have a column each; of one that is mostly different every time the
shape counts: length, digits, and how mixed its letters are. What is absent, or was never seen in training, is zero.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput, Value
from phalanx.intel.models._limits import MAX_FIELDS, MAX_SHAPE_CHARS, MAX_WORD_CHARS, MAX_WORDS

_SHAPES = ("length", "digits", "mixed")
_LEAST_PART = 0.01


class FieldCoding(msgspec.Struct, frozen=True):
    """One field: a number, or a text with the ``words`` that have a column; ``shape`` adds three more."""

    name: str
    number: bool = False
    words: tuple[str, ...] = ()
    shape: bool = False

    @property
    def features(self) -> list[str]:
        if self.number:
            return [self.name]
        shapes = [f"{self.name}~{shape}" for shape in _SHAPES] if self.shape else []
        return [*(f"{self.name}={word}" for word in self.words), *shapes]


class Coding(msgspec.Struct, frozen=True):
    """The fields, in order."""

    fields: tuple[FieldCoding, ...]

    @property
    def features(self) -> list[str]:
        """The names of the columns of ``rows``."""
        return [feature for field in self.fields for feature in field.features]

    def rows(self, columns: Mapping[str, Sequence[Value]], n: int) -> NDArray[np.float64]:
        """float64[n, features] of ``n`` events in columns."""
        made = np.zeros((n, len(self.features)))
        at = 0
        for field in self.fields:
            width = len(field.features)
            column = columns.get(field.name)
            if column is not None:
                _fill(field, column, made[:, at : at + width])
            at += width
        return made


def fit_coding(columns: Mapping[str, Sequence[Value]], *, exclude: Sequence[str] = ()) -> Coding:
    """What of ``columns`` can say something. Raises ``InvalidInput`` when nothing can."""
    fields = []
    for name in sorted(columns):
        field = None if name in exclude else _fitted(name, columns[name])
        if field is not None:
            fields.append(field)
    if not fields:
        raise InvalidInput("events", "no field of theirs differs from one event to another")
    return Coding(tuple(fields[:MAX_FIELDS]))


def _fitted(name: str, column: Sequence[Value]) -> FieldCoding | None:
    present = [value for value in column if value is not None and value != ""]
    if len(present) < _LEAST_PART * len(column):
        return None
    numbers = [number for value in present if (number := _number(value)) is not None]
    if len(numbers) == len(present) and len(set(numbers)) > MAX_WORDS:
        return FieldCoding(name, number=True)
    counts = Counter(_word(value) for value in present)
    if len(counts) == 1 and len(present) == len(column):
        return None
    frequent = [word for word, times in counts.most_common(MAX_WORDS) if times >= max(3, 0.001 * len(column))]
    is_shape = len(counts) > MAX_WORDS and not isinstance(present[0], bool | int | float)
    return FieldCoding(name, words=tuple(sorted(frequent)), shape=is_shape) if frequent or is_shape else None


def _fill(field: FieldCoding, column: Sequence[Value], into: NDArray[np.float64]) -> None:
    if field.number:
        for row, value in enumerate(column):
            into[row, 0] = _number(value) or 0.0
        return
    place = {word: at for at, word in enumerate(field.words)}
    known: dict[Value, tuple[int, tuple[float, ...]]] = {}
    for row, value in enumerate(column):
        if value is None or value == "":
            continue
        # Values recur in a batch, and their shapes are what costs.
        found = known.get(value)
        if found is None:
            found = known[value] = place.get(_word(value), -1), _shape(str(value)) if field.shape else ()
        at, shape = found
        if at >= 0:
            into[row, at] = 1.0
        if shape:
            into[row, len(place) :] = shape


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _word(value: Value) -> str:
    return str(value).lower()[:MAX_WORD_CHARS]


def _shape(text: str) -> tuple[float, float, float]:
    """Length, the part of digits, and bits a letter."""
    text = text[:MAX_SHAPE_CHARS]
    counts, n = Counter(text), len(text)
    bits = -sum(times / n * math.log2(times / n) for times in counts.values()) if n else 0.0
    return float(n), sum(letter.isdigit() for letter in text) / n if n else 0.0, bits
