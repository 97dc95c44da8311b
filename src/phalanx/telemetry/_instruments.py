"""Counters, gauges and histograms. Label children are bound once, then cost an addition.

Instruments belong to the event loop's thread: nothing here is locked. Reading the value of
an instrument with labels adds its children together (gauges too).
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from phalanx.telemetry._limits import MAX_LABEL_SETS, OVERFLOW_LABEL
from phalanx.telemetry._sketch import Sketch

_UNITS = ("seconds", "bytes", "ratio")


class CounterChild:
    """A count that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, n: float = 1) -> None:
        assert n >= 0, "a counter only grows"
        self.value += n


class GaugeChild:
    """A level that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, n: float = 1) -> None:
        self.value += n


class HistogramChild:
    """A distribution; ``quantile`` is within 0.55 % of the true value."""

    __slots__ = ("observe", "quantile", "sketch")

    def __init__(self) -> None:
        self.sketch = Sketch()
        self.observe = self.sketch.add
        self.quantile = self.sketch.quantile

    @property
    def count(self) -> int:
        return self.sketch.count

    @property
    def sum(self) -> float:
        return self.sketch.sum


C = TypeVar("C", CounterChild, GaugeChild, HistogramChild)


class _Instrument(Generic[C]):
    """A named family of children, one per set of label values."""

    kind = ""

    def __init__(self, name: str, help: str, labels: tuple[str, ...], child: type[C]) -> None:  # noqa: A002
        self.name = name
        self.help = help
        self.label_names = labels
        self._make: type[C] = child
        self._children: dict[tuple[str, ...], C] = {}
        self._only: C | None = None if labels else self.labels()

    @property
    def unit(self) -> str:
        """``seconds``, ``bytes`` or ``ratio`` when the name ends so, else nothing."""
        return next((unit for unit in _UNITS if self.name.removesuffix("_total").endswith(f"_{unit}")), "")

    def labels(self, *values: str) -> C:
        """The child for these values, in the order the labels were declared. Keep it; do not look it up twice."""
        assert len(values) == len(self.label_names), (self.name, self.label_names, values)
        found = self._children.get(values)
        if found is None:
            if len(self._children) >= MAX_LABEL_SETS:
                values = (OVERFLOW_LABEL,) * len(values)
            found = self._children.setdefault(values, self._make())
        return found

    def children(self) -> Iterator[tuple[tuple[str, ...], C]]:
        """Every child with its label values, in the order they were first bound."""
        return iter(self._children.items())

    def _single(self) -> C:
        assert self._only is not None, f"{self.name} has labels {self.label_names}: bind them with .labels(...)"
        return self._only


class Counter(_Instrument[CounterChild]):
    """Counts since the start of the process; its name ends in ``_total``."""

    kind = "counter"

    def inc(self, n: float = 1) -> None:
        self._single().inc(n)

    @property
    def value(self) -> float:
        return sum(child.value for _, child in self.children())


class Gauge(_Instrument[GaugeChild]):
    """The level of something now."""

    kind = "gauge"

    def set(self, value: float) -> None:
        self._single().set(value)

    def inc(self, n: float = 1) -> None:
        self._single().inc(n)

    @property
    def value(self) -> float:
        return sum(child.value for _, child in self.children())


class Histogram(_Instrument[HistogramChild]):
    """A distribution of non-negative values with quantiles over all its children."""

    kind = "histogram"

    def observe(self, value: float) -> None:
        self._single().observe(value)

    def quantile(self, q: float) -> float:
        """NaN when nothing was observed."""
        merged = Sketch()
        for _, child in self.children():
            merged.merge(child.sketch)
        return merged.quantile(q)

    @property
    def count(self) -> int:
        return sum(child.count for _, child in self.children())

    @property
    def sum(self) -> float:
        return sum(child.sum for _, child in self.children())
