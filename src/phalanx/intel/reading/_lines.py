"""A chunk of bytes as lines. The place of a line in this list is the row its event id is made of."""

from collections.abc import Iterator, Sequence

from phalanx.intel._limits import MAX_SLICE_BYTES, MAX_SLICE_ROWS

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split_lines(data: bytes) -> list[bytes]:
    """The lines that are not blank, without their line ends."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return [line for line in data.split(b"\n") if line and not line.isspace()]


def slices(
    lines: Sequence[bytes], first_row: int = 0, *, most: int = MAX_SLICE_ROWS
) -> Iterator[tuple[int, Sequence[bytes]]]:  # fmt: skip
    """Runs of at most ``most`` lines from ``first_row`` on, each small enough to be read in one go, with first rows."""
    start = first_row
    size_bytes = 0
    for row in range(first_row, len(lines)):
        size_bytes += len(lines[row])
        if row > start and (row - start >= most or size_bytes > MAX_SLICE_BYTES):
            yield start, lines[start:row]
            start, size_bytes = row, len(lines[row])
    if start < len(lines):
        yield start, lines[start:]
