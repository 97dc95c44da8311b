"""What a case is named after when an event of the node's own is about sources of events."""

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource, Severity
from phalanx.intel import Hit, Pattern
from phalanx.intel._merging import Sightings, finding_of

NAMES = ["windows/system", "linux/auth", "zeek/conn"]


def found(names, n_sources):
    columns = {"source": [", ".join(names)], "sources": [n_sources]}
    batch = EventBatch(
        DEFAULT_TENANT,
        BatchId("01a21b29-a442-71f2-8058-852d86d00000"),
        LogSource("phalanx", "silence", ""),
        "own",
        0,
        range(1),
        [0],
        [b""],
        columns,
    )
    sightings = Sightings({})
    sightings.add(
        [Hit(Pattern(name="quiet", title="A source went quiet", severity=Severity.MEDIUM), batch, (0,))], chunk_events=1
    )
    (seen,) = sightings
    return finding_of(seen, found_at_ns=0)


@pytest.mark.requirement("AGT-1")
def test_a_source_is_told_by_its_own_name():
    finding = found(NAMES[:1], 12)
    assert "Seen on the source windows/system." in finding.explanation
    assert finding.case == "source:windows_system@1970-01-01"


def test_many_sources_at_once_are_named_in_words_and_counted_in_the_case():
    finding = found(NAMES, 12)
    assert "Seen on the sources windows/system, linux/auth, zeek/conn." in finding.explanation
    assert finding.case == "source:windows_system-and-11-more@1970-01-01"
