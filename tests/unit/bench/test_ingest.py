"""The lines of the benchmark of reading: of the format they say, spoilt where they say, refused when they mean ill."""

import pytest

from phalanx.bench.intel._ingest import _read
from phalanx.bench.intel._ingest_loads import FORMATS, SPOILT_EVERY, ZEEK_TSV_HEADER, hostile, made
from phalanx.core import Rng
from phalanx.intel.reading import tsv_reader

pytestmark = pytest.mark.requirement("INT-1")
READER_OF = {"syslog-rfc3164": "syslog", "auditd": "syslog", "zeek-tsv": "zeek"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_line_is_of_its_format_and_every_spoilt_one_is_refused(name):
    lines, spoilt = made(name, 4 * SPOILT_EVERY, Rng(7))
    tally = _read(lines, tsv_reader(ZEEK_TSV_HEADER) if name == "zeek-tsv" else "auto")
    assert spoilt == 4
    assert tally.rejected == spoilt, dict(tally.reasons)
    assert dict(tally.formats) == {READER_OF.get(name, name): len(lines) - spoilt}


def test_the_same_seed_gives_the_same_lines():
    assert made("cef", 50, Rng(7)) == made("cef", 50, Rng(7)) != made("cef", 50, Rng(8))


def test_hostile_lines_are_lines_too():
    lines = {name: line for name, line in hostile().items() if len(line) < 10**7}
    tally = _read(list(lines.values()), "auto")
    assert tally.events + tally.rejected == len(lines)
    assert tally.rejected >= len(lines) - 1
