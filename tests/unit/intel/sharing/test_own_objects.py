"""Findings told as STIX: valid by schema and by `stix2`, the same each time, without what stays inside."""

import json

import pytest

from phalanx.core import DEFAULT_TENANT, Entity, Finding, Severity, TraceId
from phalanx.intel.sharing import (
    MarkingBook,
    Teller,
    attack,
    findings_as_stix,
    indicators_of,
    read_bundle,
    write_bundle,
)
from phalanx.messaging import Marking

pytestmark = pytest.mark.requirement("INT-4")

stix2 = pytest.importorskip("stix2", reason="the extra `dev` brings it")
NOW = 1_780_000_000_000_000_000


def finding(**changes):
    fields = {
        "id": "f-1", "tenant": DEFAULT_TENANT, "trace": TraceId(""), "at_ns": NOW + 5_000_000_000,
        "case": "ws-07 2026-05-28",
        "rule": "r", "title": "PowerShell downloads and runs code", "severity": Severity.HIGH, "confidence": 0.75,
        "techniques": ("t1059.001", "T9999"), "tactics": ("execution",),
        "entities": (
            Entity("host", "ws-07"), Entity("user", "alice"), Entity("ip", "10.1.2.3"), Entity("ip", "8.8.4.4"),
            Entity("domain", "c2.evil.example"), Entity("hash", "AB" * 32), Entity("process", "powershell -enc 'x'"),
            Entity("file", "C:\\Users\\alice\\x.ps1"),
        ),
        "evidence": (), "hits": 3, "first_seen_ns": NOW - 10**9, "last_seen_ns": NOW, "accepted_at_ns": NOW,
        "found_at_ns": NOW, "explanation": "alice on ws-07 ran what 10.1.2.3 sent",
    }  # fmt: skip
    return Finding(**(fields | changes))


@pytest.mark.parametrize("marking", list(Marking))
def test_what_is_told_is_stix_by_schema_and_by_library(marking, schema_errors):
    objects = findings_as_stix([finding()], Teller("acme", marking))
    for one in objects:
        assert not schema_errors(one.raw), one.raw
        stix2.parse(one.encoded().decode(), allow_custom=False)
    read = read_bundle(write_bundle(objects)).require_all()
    assert [one.raw for one in read.objects] == [one.raw for one in objects]
    book = MarkingBook(objects)
    assert {book.marking_of(one) for one in objects if one.type != "marking-definition"} == {marking}
    ids = {one.id for one in objects}
    assert all(ref in ids for one in objects for ref in references(one.raw))


def references(value):
    for name, inner in value.items():
        if name.endswith("_ref"):
            yield inner
        elif name.endswith("_refs"):
            yield from inner


def test_the_same_finding_is_the_same_objects_and_a_later_one_is_a_newer_version():
    teller = Teller("acme", Marking.AMBER)
    first = {one.id: one for one in findings_as_stix([finding()], teller)}
    again = findings_as_stix([finding()], teller)
    assert {one.id: one.encoded() for one in again} == {stix_id: one.encoded() for stix_id, one in first.items()}
    later = {one.id: one for one in findings_as_stix([finding(hits=9, at_ns=NOW + 10**11)], teller)}
    assert set(later) == set(first)
    changed = {later[stix_id].type for stix_id in later if later[stix_id].version > first[stix_id].version}
    assert {"observed-data", "sighting", "incident", "grouping"} <= changed


def test_what_lies_inside_is_told_under_amber_and_closer_only():
    inside = ("ws-07", "alice", "10.1.2.3", "powershell -enc")
    closed = write_bundle(findings_as_stix([finding()], Teller("acme", Marking.AMBER))).decode()
    assert all(text in closed for text in ("ws-07", "alice", "10.1.2.3"))
    for marking in (Marking.CLEAR, Marking.GREEN):
        open_ = write_bundle(findings_as_stix([finding()], Teller("acme", marking))).decode()
        assert not [text for text in inside if text in open_]
        assert "c2.evil.example" in open_


def test_ids_tell_nothing_to_whoever_guesses_the_name_of_a_host():
    told = [
        {one.type: one.id for one in findings_as_stix([finding()], Teller("acme", Marking.GREEN, secret))}
        for secret in (b"a", b"b")
    ]
    assert all(told[0][kind] != told[1][kind] for kind in ("incident", "grouping", "observed-data", "indicator"))


def test_others_can_look_for_what_lies_outside():
    objects = findings_as_stix([finding()], Teller("acme", Marking.GREEN))
    found = {(one.kind, one.value): one for one in indicators_of(objects).indicators}
    assert set(found) == {("ip", "8.8.4.4"), ("domain", "c2.evil.example"), ("hash", "ab" * 32)}
    assert found["ip", "8.8.4.4"].confidence == 0.75
    assert found["ip", "8.8.4.4"].marking is Marking.GREEN
    assert not indicators_of(findings_as_stix([finding(severity=Severity.LOW)], Teller("a", Marking.GREEN))).indicators


def test_a_value_cannot_leave_its_pattern():
    evil = "x.example' OR url:value = 'http://victim.example"
    objects = findings_as_stix([finding(entities=(Entity("domain", evil),))], Teller("acme", Marking.GREEN))
    (one,) = indicators_of(objects).indicators
    assert one.value == evil.lower()


def test_techniques_have_attacks_names():
    objects = findings_as_stix([finding()], Teller("acme", Marking.GREEN))
    names = {one.raw["name"] for one in objects if one.type == "attack-pattern"}
    assert names == {"Command and Scripting Interpreter: PowerShell", "T9999"}


def test_revoked_and_foreign_indicators():
    (one,) = [
        o for o in findings_as_stix([finding()], Teller("a", Marking.GREEN)) if o.raw.get("name", "").startswith("8.8")
    ]
    revoked = json.loads(one.encoded()) | {"revoked": True}
    foreign = json.loads(one.encoded()) | {"pattern_type": "sigma", "pattern": "x", "id": one.id.replace("8", "9")}
    taken = indicators_of(read_bundle(json.dumps({"objects": [revoked, foreign]}).encode()).require_all().objects)
    assert taken.revoked == (one.id,)
    assert "sigma" in taken.refused[0][1]


def test_the_index_of_attack_is_that_of_the_bundle(shared_data):
    raw = json.loads((shared_data / "intel" / "attack_enterprise" / "enterprise-attack.json").read_bytes())
    want = {
        one["external_references"][0]["external_id"]: one["name"]
        for one in raw["objects"]
        if one["type"] == "attack-pattern" and not one.get("revoked") and not one.get("x_mitre_deprecated")
    }
    assert {one.id: one.name for one in attack().index.techniques} == want
    assert len(want) == 691
    assert "MITRE" in attack().index.copyright
    assert "royalty-free license" in attack().index.licence
    assert attack().technique("t1086").id == "T1059.001"


def test_coverage_counts_a_rule_for_its_technique_and_the_one_above():
    found = attack().coverage([("a", ("t1059.001",)), ("b", ("T1086", "T0000"))])
    covered = {one.technique.id: one.rules for one in found.techniques if one.rules}
    assert covered == {"T1059": ("a", "b"), "T1059.001": ("a", "b")}
    assert found.unknown == ("T0000",)
    assert {one.technique.id for one in found.of_tactic("execution") if one.rules} == set(covered)
