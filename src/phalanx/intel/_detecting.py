"""Lines to hits, in one go, and without a way to fail.

When reading raises on some slice, or a detector on some batch, which only a mistake can cause, lines or events are
tried one by one: the one at fault is rejected with the error as reason, the others count.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from phalanx.core import BatchId, EventBatch
from phalanx.intel._detector import Detector, Hit, one_event
from phalanx.intel._limits import MAX_SLICE_ROWS
from phalanx.intel._model import Chunk
from phalanx.intel.reading import ReadOut, Rejected, read_lines


class Detected(NamedTuple):
    """What was found in some lines of a chunk: hits, lines rejected, and the events that were read."""

    hits: list[Hit]
    rejected: list[Rejected]
    batches: list[EventBatch]

    @property
    def sources(self) -> list[str]:
        """The log sources of the events."""
        return list(dict.fromkeys(str(batch.log_source) for batch in self.batches))

    @property
    def latest_ns(self) -> int:
        """When the latest of the events happened; 0 where there are none."""
        return max((max(batch.times_ns) for batch in self.batches if len(batch)), default=0)


def detect(detectors: Sequence[Detector], chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> Detected:
    """Read ``lines``, which are rows of ``chunk`` from ``first_row`` on, and ask every detector, in their order."""
    found = Detected([], [], [])
    for _ in detecting(detectors, chunk, first_row, lines, found):
        pass
    return found


def detecting(
    detectors: Sequence[Detector], chunk: Chunk, first_row: int, lines: Sequence[bytes], found: Detected
) -> Iterator[None]:  # fmt: skip
    """As ``detect``, into ``found``, with pauses: between two of them lies the work of about one slice."""
    most, asked = MAX_SLICE_ROWS * len(detectors), 0
    for out in read_rows(chunk, first_row, lines):
        found.rejected.extend(out.rejected)
        found.batches.extend(out.batches)
        if len(lines) > MAX_SLICE_ROWS:
            yield
        for batch in out.batches:
            for detector in detectors:
                _ask(detector, batch, found)
                asked += len(batch)
                if asked >= most:
                    asked = 0
                    yield


def read_rows(chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> list[ReadOut]:
    """Read ``lines``, which are rows of ``chunk`` from ``first_row`` on."""
    try:
        return [_read_lines(chunk, first_row, lines)]
    except Exception as error:  # noqa: BLE001 - a poisoned line must not stop the stream
        if len(lines) == 1:
            return [ReadOut((), (Rejected(first_row, _mistake(error), lines[0]),))]
    return [out for row, line in enumerate(lines, first_row) for out in read_rows(chunk, row, [line])]


def _read_lines(chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> ReadOut:
    return read_lines(
        lines,
        first_row=first_row,
        reader=chunk.reader,
        tenant=chunk.tenant,
        batch=BatchId(chunk.id),
        accepted_at_ns=chunk.at_ns,
    )


def _ask(detector: Detector, batch: EventBatch, found: Detected) -> None:
    try:
        found.hits.extend(detector.evaluate(batch))
    except Exception as error:  # noqa: BLE001 - a mistake in a detector costs only the events it is made on
        if len(batch) == 1:
            found.rejected.append(Rejected(batch.rows[0], f"{detector.name}: {_mistake(error)}", batch.raw[0]))
            return
        for place in range(len(batch)):
            _ask(detector, one_event(batch, place), found)


def _mistake(error: Exception) -> str:
    return f"internal error: {type(error).__name__}: {error}"
