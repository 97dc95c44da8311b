"""Segments of a tenant that are to be one: which, and how their columns become one. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._columns import STR, Codes, code_type
from phalanx.intel.archive._limits import (
    LARGE_ROWS,
    MERGE_FROM_SEGMENTS,
    MERGE_SEGMENTS,
    SEGMENT_ROWS,
    SMALL_ROWS,
    WHOLE_SEGMENTS,
)
from phalanx.intel.archive._model import Segment
from phalanx.intel.archive._segment import Shard
from phalanx.intel.archive._values import SEPARATOR_BYTE, Values


def small_together(segments: Iterable[Segment]) -> list[Segment]:
    """Small segments that were written after one another and are not too much for a whole one; none while few are
    small."""
    small = sorted((one for one in segments if one.events < SMALL_ROWS), key=lambda one: one.id)
    chosen: list[Segment] = []
    for one in small[:MERGE_SEGMENTS]:
        if sum(segment.events for segment in chosen) + one.events > SEGMENT_ROWS:
            break
        chosen.append(one)
    return chosen if len(chosen) >= MERGE_FROM_SEGMENTS else []


def whole_together(segments: Iterable[Segment]) -> list[Segment]:
    """The oldest whole segments, as many as a large one takes; none while there are fewer."""
    whole = sorted((one for one in segments if SMALL_ROWS <= one.events < 2 * SEGMENT_ROWS), key=lambda one: one.id)
    chosen = whole[:WHOLE_SEGMENTS]
    fit = len(chosen) == WHOLE_SEGMENTS and sum(one.events for one in chosen) <= LARGE_ROWS
    return chosen if fit else []


class MergedColumn:
    """One column of several segments. Values stay the bytes that they are in: as texts they would take more room."""

    def __init__(self, events: int) -> None:
        self._codes: npt.NDArray[np.uint32] = np.zeros(events, np.uint32)
        # Texts as they are, and values of another type with it.
        self._coder: defaultdict[Any, int] = defaultdict(count(1).__next__)

    def add(self, start: int, shard: Shard, field: int) -> None:
        """Take the column of a segment whose first event is number ``start`` here."""
        values, codes = shard.values(field), shard.codes(field)
        texts = values.blob[1:-1].split(SEPARATOR_BYTE)
        keys: Iterable[Any] = texts
        if values.kinds:
            keys = (text if kind == STR else (kind, text) for kind, text in zip(values.kinds, texts, strict=True))
        renewed = np.fromiter(chain((0,), map(self._coder.__getitem__, keys)), np.uint32, len(texts) + 1)
        self._codes[start : start + len(codes)] = renewed.take(codes)

    def done(self) -> tuple[Values, Codes]:
        """The values of all, and the codes of all events."""
        keys = list(self._coder)
        plain = set(map(type, keys)) <= {bytes}
        kinds = b"" if plain else bytes(STR if isinstance(key, bytes) else key[0] for key in keys)
        texts = keys if plain else [key if isinstance(key, bytes) else key[1] for key in keys]
        blob = SEPARATOR_BYTE + SEPARATOR_BYTE.join(texts) + SEPARATOR_BYTE
        return Values(blob, kinds), self._codes.astype(code_type(len(keys)))
