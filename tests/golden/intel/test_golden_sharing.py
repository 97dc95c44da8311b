"""What is told to others and what collections keep, as it was first written.

Others hold objects by ids and versions that follow from what was told: another id for the same finding would be another
object. Stored records must stay readable. After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and
look at the difference.
"""

import os
from pathlib import Path

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Entity, Finding, Severity, TenantId, decode, encode
from phalanx.intel.sharing import (
    Audience,
    Collection,
    Export,
    Kept,
    Pull,
    Status,
    StatusLine,
    Teller,
    findings_as_stix,
    misp_event,
    read_misp,
    write_bundle,
)
from phalanx.messaging import Marking

FILES = Path(__file__).parent / "files" / "sharing"
NOW = 1_780_000_000_123_456_789
FINDING = Finding(
    id="019b76da-a87b-7076-aacb-453d5e8a11ce", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=NOW + 5_000_000_000,
    case="ws-07@2026-05-28", rule="powershell-downloads", title="PowerShell downloads and runs code",
    severity=Severity.HIGH, confidence=0.75, techniques=("T1059.001",), tactics=("execution",),
    entities=(
        Entity("host", "ws-07"), Entity("user", "alice"), Entity("ip", "8.8.4.4"), Entity("domain", "c2.evil.example"),
    ),
    evidence=(), hits=3, first_seen_ns=NOW - 10**9, last_seen_ns=NOW, accepted_at_ns=NOW, found_at_ns=NOW,
    explanation="alice on ws-07 ran it",
)  # fmt: skip
MISP = b"""{"Event": {"uuid": "00000000-0000-4000-8000-000000000001", "info": "An intrusion", "date": "2026-01-02",
 "timestamp": "1767400000", "Tag": [{"name": "tlp:green"}], "Orgc": {"name": "ACME"}, "Attribute": [
 {"uuid": "00000000-0000-4000-8000-000000000002", "type": "ip-dst", "value": "198.51.100.7", "to_ids": true},
 {"uuid": "00000000-0000-4000-8000-000000000003", "type": "text", "value": "words", "to_ids": false}]}}"""
HEAD = {"tenant": TenantId("acme"), "trace": NO_TRACE, "at_ns": NOW}
RECORDS = [
    Collection(
        id="f3b0e6d7-5b95-5129-95d2-8713c1fc67af", title="t", alias="a", description="d", audience=Audience.PARTNER,
        readers=("x",), writers=(), made_by="me", **HEAD,
    ),
    Kept(
        id="c/0006612", collection="c", object="url--x", type="url", version="2026-01-01T00:00:00.000Z", marking=2,
        newest=True, oldest=False, raw=b"{}", **HEAD,
    ),
    Pull(
        id="cti", added_after="2026-01-01T00:00:00Z", next="k", last_added="", done_ns=1, objects=2, refused=3,
        indicators=4, unusable=5, problem="p", **HEAD,
    ),
    Status(
        id="s", collection="c", by="acme", total=2, successes=(StatusLine("a", "v"),),
        failures=(StatusLine("b", message="m"),), n_failures=1, **HEAD,
    ),
    Export(id="e", to="acme", through="a", way="taxii", objects=2, marking=1, digest="ab", **HEAD),
]  # fmt: skip


def same(name, data):
    file = FILES / name
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    assert data == file.read_bytes(), f"{file}: what is written has changed"


@pytest.mark.requirement("INT-4")
@pytest.mark.parametrize("marking", [Marking.AMBER, Marking.GREEN])
def test_a_finding_is_told_as_it_always_was(marking):
    objects = findings_as_stix([FINDING], Teller("acme", marking))
    same(f"finding-{marking.name.lower()}.json", write_bundle(objects, indent=True))


@pytest.mark.requirement("INT-4")
def test_an_event_of_misp_becomes_what_it_always_did():
    objects = read_misp(MISP).objects
    same("misp-as-stix.json", write_bundle(objects, indent=True))
    import json

    event = misp_event(objects, organisation="us", unmarked=Marking.AMBER)
    same("misp-again.json", json.dumps(event, indent=1).encode() + b"\n")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_are_written_and_read_as_they_always_were(record):
    name = f"{type(record).__name__.lower()}.msgpack"
    same(name, encode(record))
    assert decode((FILES / name).read_bytes(), type(record)) == record
