"""Segments of a tenant that are to be one: which, and how their columns become one. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._columns import STR, Codes, code_type
from phalanx.intel.archive._limits import (
    LARGE_ROWS,
    MERGE_FROM_SEGMENTS,
    MERGE_SEGMENTS,
    MERGED_AGE_PART,
    MERGED_BYTES_PART,
    SEGMENT_ROWS,
    SMALL_ROWS,
    WHOLE_SEGMENTS,
)
from phalanx.intel.archive._model import Keep, Segment
from phalanx.intel.archive._segment import Shard
from phalanx.intel.archive._values import SEPARATOR_BYTE, Values


def small_together(segments: Iterable[Segment], keep: Keep, now_ns: int) -> list[Segment]:
    """Small segments that were written after one another and are not too much for a whole one; none while few are
    small."""
    small = (one for one in segments if one.events < SMALL_ROWS)
    return _first_run(small, keep, now_ns, least=MERGE_FROM_SEGMENTS, most=MERGE_SEGMENTS, max_rows=SEGMENT_ROWS)


def whole_together(segments: Iterable[Segment], keep: Keep, now_ns: int) -> list[Segment]:
    """The oldest whole segments that fit together, as many as a large one takes; none while there are fewer."""
    whole = (one for one in segments if SMALL_ROWS <= one.events < 2 * SEGMENT_ROWS)
    return _first_run(whole, keep, now_ns, least=WHOLE_SEGMENTS, most=WHOLE_SEGMENTS, max_rows=LARGE_ROWS)


def _first_run(
    segments: Iterable[Segment], keep: Keep, now_ns: int, *, least: int, most: int, max_rows: int
) -> list[Segment]:
    """The first segments after one another, in the order in which they were written, that may be one of a tenant of
    which ``keep`` is kept."""
    run: list[Segment] = []
    for one in sorted(segments, key=lambda one: one.id):
        if len(run) == most:
            break
        run.append(one)
        if _fits(run, keep, now_ns, max_rows):
            continue
        if len(run) > least:
            return run[:-1]
        # What is left out at the front stays as it is: behind it more may fit.
        while run and not _fits(run, keep, now_ns, max_rows):
            del run[0]
    return run if len(run) >= least else []


def _fits(run: Sequence[Segment], keep: Keep, now_ns: int, max_rows: int) -> bool:
    # It goes as a whole when the youngest of it is too old.
    longer_ns = max(one.aged_ns(now_ns) for one in run) - min(one.oldest_ns(now_ns) for one in run)
    return (
        sum(one.events for one in run) <= max_rows
        and sum(one.size_bytes for one in run) <= keep.max_bytes // MERGED_BYTES_PART
        and (not keep.max_age_ns or longer_ns <= keep.max_age_ns // MERGED_AGE_PART)
    )


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
