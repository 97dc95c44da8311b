"""From bytes to columns: lines are recognised, parsed by the reader of their format, and gathered by log source.

Pure. Hostile input is expected: every line ends up in a batch or is rejected with a reason. The source's own field
names are kept; OCSF is a view over them. ``BadLine`` says why a line is not an event.
"""

from phalanx.intel.reading._as_lines import Part
from phalanx.intel.reading._chunking import file_chunks
from phalanx.intel.reading._evtx import EVTX_CHUNK_BYTES, EVTX_HEADER_BYTES, evtx_lines
from phalanx.intel.reading._framing import FRAMINGS, SyslogFrames, one_line
from phalanx.intel.reading._lines import slices, split_lines
from phalanx.intel.reading._ocsf import OcsfMapping, mapping_of, ocsf_view
from phalanx.intel.reading._ocsf_sources import OcsfSource, ocsf_sources
from phalanx.intel.reading._own_format import PRODUCT
from phalanx.intel.reading._readers import (
    AUTO,
    OWN,
    READERS,
    ReadOut,
    Rejected,
    check_reader,
    read_chunk,
    read_lines,
    reader_for,
)
from phalanx.intel.reading._syslog import from_sender
from phalanx.intel.reading._tally import Tally
from phalanx.intel.reading._unpacking import unpack
from phalanx.intel.reading._zeek_tsv import TSV_MARK, tsv_reader
from phalanx.intel.reading.ocsf import OCSF_VERSION

__all__ = [
    "AUTO",
    "EVTX_CHUNK_BYTES",
    "EVTX_HEADER_BYTES",
    "FRAMINGS",
    "OCSF_VERSION",
    "OWN",
    "PRODUCT",
    "READERS",
    "TSV_MARK",
    "OcsfMapping",
    "Part",
    "ReadOut",
    "Rejected",
    "SyslogFrames",
    "Tally",
    "check_reader",
    "evtx_lines",
    "file_chunks",
    "from_sender",
    "mapping_of",
    "OcsfSource",
    "ocsf_sources",
    "ocsf_view",
    "one_line",
    "read_chunk",
    "read_lines",
    "reader_for",
    "slices",
    "split_lines",
    "tsv_reader",
    "unpack",
]
