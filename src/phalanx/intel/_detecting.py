"""Lines to hits, in one go. Pure, and without a way to fail.

When reading or matching raises on some slice, which only a mistake of ours can cause, its lines
are tried one by one: the one at fault is rejected with the error as reason, the others count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from phalanx.core import BatchId
from phalanx.intel._model import Chunk
from phalanx.intel.reading import Rejected, read_lines
from phalanx.intel.sigma import Hit, RuleSet


class Detected(NamedTuple):
    """What was found in some lines of a chunk: hits, lines rejected, and the log sources seen."""

    hits: list[Hit]
    rejected: list[Rejected]
    sources: list[str]


def detect(rules: RuleSet, chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> Detected:
    """Read ``lines``, which are rows of ``chunk`` from ``first_row`` on, and ask every rule."""
    try:
        return _detect(rules, chunk, first_row, lines)
    except Exception as error:  # noqa: BLE001 - a poisoned line must not stop the stream
        if len(lines) == 1:
            reason = f"internal error: {type(error).__name__}: {error}"
            return Detected([], [Rejected(first_row, reason, lines[0])], [])
    found = Detected([], [], [])
    for row, line in enumerate(lines, first_row):
        alone = detect(rules, chunk, row, [line])
        found.hits.extend(alone.hits)
        found.rejected.extend(alone.rejected)
        found.sources.extend(alone.sources)
    return Detected(found.hits, found.rejected, list(dict.fromkeys(found.sources)))


def _detect(rules: RuleSet, chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> Detected:
    out = read_lines(
        lines,
        first_row=first_row,
        reader=chunk.reader,
        tenant=chunk.tenant,
        batch=BatchId(chunk.id),
        accepted_at_ns=chunk.at_ns,
    )
    hits = [hit for batch in out.batches for hit in rules.evaluate(batch)]
    return Detected(hits, list(out.rejected), [str(batch.log_source) for batch in out.batches])
