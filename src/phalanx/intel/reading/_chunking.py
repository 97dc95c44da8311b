"""The logs of a file as chunks that the intake takes: whole lines, and how they are read."""

from collections.abc import Iterator
from typing import IO

from phalanx.core import MAX_CHUNK_EVENTS, LimitExceeded
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import FILE_CHUNK_BYTES
from phalanx.intel.reading._readers import AUTO
from phalanx.intel.reading._unpacking import unpack


def file_chunks(file: IO[bytes], name: str, reader: str = AUTO) -> Iterator[tuple[bytes, str]]:
    """As many lines at a time as a request may carry, and the reader for them.

    Raises what ``unpack`` raises, after the lines that came before it.
    """
    for part in unpack(file, name):
        how = part.reader if part.reader and reader == AUTO else reader
        waiting: list[bytes] = []
        n_bytes = 0
        ended: BadLine | LimitExceeded | None = None
        for line in _until_it_ends(part.lines):
            if isinstance(line, Exception):
                ended = line
                break
            if waiting and (n_bytes + len(line) > FILE_CHUNK_BYTES or len(waiting) == MAX_CHUNK_EVENTS):
                yield b"\n".join(waiting) + b"\n", how
                waiting, n_bytes = [], 0
            waiting.append(line)
            n_bytes += len(line) + 1
        if waiting:
            yield b"\n".join(waiting) + b"\n", how
        if ended is not None:
            raise ended


def _until_it_ends(lines: Iterator[list[bytes]]) -> Iterator[bytes | BadLine | LimitExceeded]:
    """Line by line; what breaks them off comes last, as a value, for lines that wait to go before it."""
    try:
        for some in lines:
            yield from some
    except (BadLine, LimitExceeded) as error:
        yield error
