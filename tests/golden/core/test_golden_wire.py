"""The bytes of every wire form of ``core``, as they were first written.

Stored data must stay readable, so these files change only on purpose: after a change that is
meant, run the tests with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from phalanx import core
from phalanx.core import (
    Assessment,
    Baseline,
    Circuit,
    Contribution,
    Decision,
    Entity,
    EventId,
    Finding,
    LogSource,
    Origin,
    Outcome,
    Provenance,
    Record,
    Severity,
    TenantId,
    TraceId,
    Verdict,
    Waypoint,
    decode,
    decode_json,
    encode,
    encode_json,
    kind_name,
)

FILES = Path(__file__).parent / "files"
UPDATE = os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1"

_EVENT = EventId("019b76da-a87b-7076-aacb-453d5e800003")
_HEAD = {"tenant": TenantId("acme"), "trace": TraceId(_EVENT), "at_ns": 1_767_225_600_123_456_789}
_BASELINE = Baseline(method="monte-carlo", value=0.8125, error=0.03, cost=1_800, cost_unit="samples")
_SIMULATED = Provenance(
    origin=Origin.SIMULATED,
    device="local.statevector",
    circuits=("ab" * 32,),
    shots=1_024,
    seed=7,
    baselines=(_BASELINE,),
)
_EMULATED = Provenance(
    origin=Origin.EMULATED,
    device="fake_kyoto",
    circuits=(),
    shots=0,
    seed=-1,
    mitigation="readout inversion",
    calibrated_at_ns=1_700_000_000_000_000_000,
)

SAMPLES = (
    Finding(
        id="019b76da-a87b-7c11-a559-95bec786e246",
        **_HEAD,
        case="host:ws-07",
        rule="lsass-access",
        title="Zugriff auf LSASS – メモリ",
        severity=Severity.CRITICAL,
        confidence=0.75,
        techniques=("attack.t1003.001",),
        tactics=("credential-access",),
        entities=(Entity("host", "ws-07"), Entity("user", "ACME\\jdoe")),
        evidence=(_EVENT,),
        hits=3,
        first_seen_ns=1_767_225_599_000_000_000,
        last_seen_ns=1_767_225_600_000_000_000,
        accepted_at_ns=1_767_225_600_100_000_000,
        found_at_ns=1_767_225_600_123_456_789,
        explanation="TargetImage ends with \\lsass.exe",
    ),
    Assessment(
        id="019b76da-a87b-7c11-a559-95bec786e247",
        **_HEAD,
        case="host:ws-07",
        finding="019b76da-a87b-7c11-a559-95bec786e246",
        run="019b76da-a87b-7c11-a559-95bec786e248",
        subject=Entity("host", "ws-07"),
        verdict=Verdict.COMPROMISED,
        probability=0.8,
        interval=(0.78, 0.82),
        confidence=0.95,
        contributions=(Contribution(step="estimate", summary="amplitude estimation", value=0.8),),
        provenance=(_SIMULATED, _EMULATED),
        degraded="",
    ),
    Decision(
        id="019b76da-a87b-7c11-a559-95bec786e249",
        **_HEAD,
        about="019b76da-a87b-7c11-a559-95bec786e250",
        outcome=Outcome.INDETERMINATE,
        authority="containment-v1",
        reasons=("host is protected", "probability below 0.9"),
        context_hash="cd" * 32,
    ),
    Waypoint(
        id="019b76da-a87b-7c11-a559-95bec786e251",
        **_HEAD,
        room="intel",
        stage="finding",
        subject="019b76da-a87b-7c11-a559-95bec786e246",
        summary="lsass-access on ws-07",
        detail={"hits": 3, "score": 0.5, "host": "ws-07", "merged": False, "big": 2**63 - 1},
    ),
    Circuit.from_canonical('OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] q;\nh q[0];\n', 1),
    LogSource("windows", "process_creation", "sysmon"),
    _EMULATED,
)
FORMS = {
    "json": (encode_json, msgspec.json.decode),
    "msgpack": (msgspec.msgpack.Encoder(order="deterministic").encode, msgspec.msgpack.decode),
}


def file_of(sample, form):
    return FILES / f"{type(sample).__name__.lower()}.{form}"


def named(value):
    return type(value).__name__ if not isinstance(value, str) else value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_written_bytes_are_what_they_always_were(sample, form):
    write, read = FORMS[form]
    file = file_of(sample, form)
    if UPDATE:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(write(sample))
    golden = file.read_bytes()
    assert write(sample) == golden
    assert read(golden, type=type(sample)) == sample


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if isinstance(sample, Record)], ids=named)
def test_stored_records_are_read_as_what_was_meant(sample):
    assert decode_json(file_of(sample, "json").read_bytes(), type(sample)) == sample
    assert decode(file_of(sample, "msgpack").read_bytes(), type(sample)) == sample
    assert encode(sample) == file_of(sample, "msgpack").read_bytes()


def test_every_wire_form_of_core_has_its_files():
    wire = {kind for kind in vars(core).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)} - {
        Record
    }
    inner = {Entity, Contribution, Baseline}  # written only inside others, and covered there
    assert {type(sample) for sample in SAMPLES} == wire - inner
    written = [file_of(s, f).name for s in SAMPLES for f in FORMS]
    older = [f"{kind_name(kind)}-1.{form}" for kind in (Finding, Assessment) for form in FORMS]
    assert sorted(file.name for file in FILES.iterdir()) == sorted([*written, *older])


@pytest.mark.parametrize("kind", [Finding, Assessment])
def test_what_an_older_node_wrote_is_read_with_what_it_did_not_know_left_open(kind):
    (sample,) = [one for one in SAMPLES if isinstance(one, kind)]
    for form, read in (("json", decode_json), ("msgpack", decode)):
        assert read((FILES / f"{kind_name(kind)}-1.{form}").read_bytes(), kind) == sample


def test_no_two_kinds_of_record_share_a_name():
    kinds = [type(sample) for sample in SAMPLES if isinstance(sample, Record)]
    assert {kind_name(kind) for kind in kinds} == {"finding", "assessment", "decision", "waypoint"}
