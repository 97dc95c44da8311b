"""The sender's journal: what is guaranteed durable, from its sending to its end at the last recipient.

Invariants:

- a record that was written and has no end is found again by whoever opens the journal next, in the order of sending;
- a record with an end may be found again when its end was not written yet: receivers know it by its id;
- the journal's span is bounded: what is stuck at its beginning is written anew at its end.

Writing and sending go side by side. That is enough: nobody was told that anything arrived before it did.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import Journal, StorageCorrupt
from phalanx.messaging._limits import MAX_OUTBOX_BATCH, MAX_OUTBOX_QUEUE, MAX_OUTBOX_SPAN


class _Sent(msgspec.Struct, frozen=True, array_like=True, tag="sent", gc=False):
    process: str
    data: bytes


class _Ends(msgspec.Struct, frozen=True, array_like=True, tag="ends", gc=False):
    offsets: tuple[int, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Sent | _Ends] = msgspec.msgpack.Decoder(_Sent | _Ends)


@dataclass(slots=True, eq=False)
class Sent:
    """One envelope on its way to one process. ``offset`` is where it is written, -1 before."""

    process: str
    data: bytes
    offset: int = -1
    is_ended: bool = False


class Outbox:
    """See the module. ``flush`` must be called while ``is_behind``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[int, Sent] = {}
        self._queue: deque[Sent] = deque()
        self._ends: list[int] = []

    @classmethod
    async def open(cls, journal: Journal) -> tuple["Outbox", Sequence[Sent]]:
        """The outbox, and what an earlier incarnation left in it without an end."""
        outbox = cls(journal)
        offset = journal.start
        while offset < journal.end:
            for record in await journal.read(offset):
                outbox._read(record, offset)
                offset += 1
        return outbox, list(outbox._open.values())

    def __len__(self) -> int:
        """How many have no end."""
        return len(self._open) + len(self._queue)

    @property
    def is_full(self) -> bool:
        return len(self._queue) >= MAX_OUTBOX_QUEUE

    @property
    def is_behind(self) -> bool:
        return bool(self._queue or self._ends)

    def add(self, process: str, data: bytes) -> Sent:
        """Keep ``data`` until ``end``."""
        sent = Sent(process, data)
        self._queue.append(sent)
        return sent

    def end(self, sent: Sent) -> None:
        """It arrived, or was given up as a dead letter."""
        if sent.is_ended:
            return
        sent.is_ended = True
        if sent.offset >= 0:
            self._open.pop(sent.offset, None)
            self._ends.append(sent.offset)

    async def flush(self) -> None:
        """Write what waits, and let the journal forget what has its end."""
        batch: list[Sent] = []
        while self._queue and len(batch) < MAX_OUTBOX_BATCH:
            sent = self._queue.popleft()
            if not sent.is_ended:
                batch.append(sent)
        ends, self._ends = self._ends[:MAX_OUTBOX_BATCH], self._ends[MAX_OUTBOX_BATCH:]
        records = [_encoder.encode(_Sent(sent.process, sent.data)) for sent in batch]
        if ends:
            records.append(_encoder.encode(_Ends(tuple(ends))))
        if records:
            try:
                first = await self._journal.append(records)
            except BaseException:
                self._queue.extendleft(reversed(batch))
                self._ends = ends + self._ends
                raise
            for offset, sent in enumerate(batch, first):
                sent.offset = offset
                if sent.is_ended:  # it ended while it was written
                    self._ends.append(offset)
                else:
                    self._open[offset] = sent
        await self._trim()

    async def _trim(self) -> None:
        oldest = min(self._open, default=self._journal.end)
        if self._journal.end - oldest > MAX_OUTBOX_SPAN:
            stuck = self._open.pop(oldest)
            self._ends.append(oldest)
            stuck.offset = -1
            self._queue.append(stuck)
        elif oldest > self._journal.start:
            await self._journal.trim(oldest)

    def _read(self, record: bytes, offset: int) -> None:
        try:
            found = _decoder.decode(record)
        except msgspec.DecodeError as error:
            raise StorageCorrupt("messaging outbox", offset, str(error)) from error
        if isinstance(found, _Sent):
            self._open[offset] = Sent(found.process, found.data, offset)
        else:
            for ended in found.offsets:
                self._open.pop(ended, None)
