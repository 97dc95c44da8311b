"""What a sink of events reads back from the journal, and that others have the loop meanwhile."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, encode
from phalanx.intel import BatchEntry, Chunk
from phalanx.node.detection._connectors import _BatchReader

pytestmark = pytest.mark.requirement("INT-5")
BATCH = "01a21a2b-793c-76b2-97cc-e334c6300000"


class Journal:
    """A journal with one record."""

    start, end = 0, 1

    def __init__(self, frame):
        self.frame = frame

    async def read(self, offset, *, max_records):
        return [self.frame]


class Seals:
    """Chunks that are not sealed."""

    async def open(self, chunk):
        return chunk


def test_a_batch_is_read_in_the_order_of_its_lines_and_holds_nobody_up():
    lines = [b'{"EventID":1,"Channel":"%d","n":%d}' % (n % 3, n) for n in range(3_000)]
    lines[7] = b"nonsense"
    chunk = Chunk(
        id=BATCH, tenant=DEFAULT_TENANT, trace=BATCH, at_ns=1, reader="auto", events=3_000, total_bytes=1,
        data=b"\n".join(lines) + b"\n",
    )  # fmt: skip
    entry = BatchEntry(
        id=BATCH,
        tenant=DEFAULT_TENANT,
        trace=BATCH,
        at_ns=1,
        offset=0,
        reader="auto",
        events=3_000,
        rejected=1,
        sources=(),
    )
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main():
        counting = asyncio.create_task(count())
        events = await _BatchReader(Journal(encode(chunk)), Seals())(entry)
        counting.cancel()
        return events

    events = asyncio.run(main())
    assert [event.get("n") for event in events] == [n for n in range(3_000) if n != 7]
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert turns >= 3_000 // 256
