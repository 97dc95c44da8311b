"""Asking which events have a value that is on a list, however long the list: of every different value once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from phalanx.core import EventBatch
from phalanx.intel.archive._asking import Both, Either, Leaf, Node, OfTime
from phalanx.intel.archive._limits import CHECK_EVERY_VALUES
from phalanx.intel.archive._values import SEPARATOR_BYTE, Check, Flags, Test, Values


@dataclass(frozen=True, slots=True)
class Lookup:
    """What asks a list. ``wants`` says whether values of a field may be on it, ``listed`` which of some values are;
    ``judge`` says of the events that are left which ones count: names of what was found, each with the event's place.
    """

    wants: Callable[[str], bool]
    listed: Callable[[Sequence[str]], Sequence[bool]]
    judge: Callable[[EventBatch], Sequence[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class OnList(Test):
    """The value is on a list."""

    listed: Callable[[Sequence[str]], Sequence[bool]]

    def flags(self, values: Values, check: Check) -> Flags | None:
        texts = values.blob[1:-1].split(SEPARATOR_BYTE)
        flags = np.zeros(len(texts), bool)
        for start in range(0, len(texts), CHECK_EVERY_VALUES):
            check()
            part = [text.decode("utf-8", "surrogatepass") for text in texts[start : start + CHECK_EVERY_VALUES]]
            flags[start : start + len(part)] = self.listed(part)
        return flags if flags.any() else None


def listed_events(lookups: Sequence[Lookup], low_ns: int, high_ns: int) -> Node:
    """Events with a value that one of the lists may have."""
    leaves = tuple(Leaf(frozenset(), OnList(one.listed), one.wants) for one in lookups)
    return Both((OfTime(low_ns, high_ns), Either(leaves)))
