"""An event file as read by commands that need no node: compressed, binary and header-bearing logs like any other."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phalanx.intel import ReadOut

_NO_BATCH = "00000000-0000-7000-8000-000000000000"


def read_log(path: Path, reader: str) -> "ReadOut":
    """Everything in the file, with consecutive line numbers. Raises ``PhalanxError`` if it cannot be unpacked."""
    from phalanx.core import DEFAULT_TENANT, BatchId
    from phalanx.intel import ReadOut, check_reader, read_lines
    from phalanx.intel.reading import slices, unpack

    check_reader(reader)
    outs: list[ReadOut] = []
    row = 0
    with path.open("rb") as file:
        for part in unpack(file, str(path)):
            for lines in part.lines:
                for first_row, some in slices(lines):
                    outs.append(read_lines(
                        some, first_row=row + first_row, tenant=DEFAULT_TENANT, batch=BatchId(_NO_BATCH),
                        accepted_at_ns=0, reader=part.reader if reader == "auto" and part.reader else reader,
                    ))  # fmt: skip
                row += len(lines)
    return ReadOut(
        tuple(batch for out in outs for batch in out.batches), tuple(line for out in outs for line in out.rejected),
        sum(out.skipped for out in outs),
    )  # fmt: skip
