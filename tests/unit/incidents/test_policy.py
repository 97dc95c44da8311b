"""When isolating a host is approved, and every ground on which it is refused."""

import math

import msgspec
import pytest

from phalanx.core import NS_PER_S, Entity, InvalidInput, Outcome, ns_from_iso
from phalanx.incidents import ContainmentPolicy
from phalanx.incidents._policy import grounds
from phalanx.incidents._proposing import proposal_for

POLICY = ContainmentPolicy()
NOW_NS = ns_from_iso("2026-01-01T12:10:00Z")
DAY_NS = 86_400 * NS_PER_S


@pytest.fixture
def proposal(assessment):
    def make(**changes):
        names = {"probability", "host"} & changes.keys()
        made = proposal_for(assessment(**{name: changes.pop(name) for name in names}))
        return msgspec.structs.replace(made, **changes)

    return make


def test_a_probable_unprotected_host_is_approved_with_every_ground(proposal):
    ruling = POLICY.rule(proposal(), hosts_this_hour=4, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.APPROVED
    assert grounds(ruling.reasons) == ("probable", "not protected", "recent", "within the blast radius")


@pytest.mark.parametrize(
    "host",
    [
        "dc01",
        "DC01",
        "dc01.corp.example",
        "corp-dc",
        "corp-dc.corp.example",
        "corp-dc-2",
        "corp-dc2.corp.example.",
        " dc1 ",
    ],
)
def test_a_domain_controller_is_refused_however_its_name_is_written(proposal, host):
    ruling = POLICY.rule(proposal(host=host), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    assert grounds(ruling.reasons) == ("protected asset",)


@pytest.mark.parametrize(
    ("patterns", "host", "refused"),
    [
        (("scada-*",), "SCADA-7.plant.example", True),
        (("*.plant.example",), "ws-1.plant.example", True),
        (("*.plant.example",), "ws-1.plant.example.", True),
        (("*.plant.example",), "ws-1", False),
        ((), "dc01", False),
    ],
)
def test_named_patterns_protect_with_and_without_the_domain(proposal, patterns, host, refused):
    ruling = ContainmentPolicy(protected_hosts=patterns).rule(proposal(host=host), hosts_this_hour=0, now_ns=NOW_NS)
    assert (ruling.outcome is Outcome.REFUSED) == refused


@pytest.mark.parametrize(
    ("own", "host", "refused"),
    [
        (("phalanx", ""), "phalanx", True),
        (("phalanx", "sec-1.plant.example"), "SEC-1", True),
        (("phalanx", "sec-1"), "sec-1.plant.example.", True),
        (("phalanx", "sec-1"), "sec-10", False),
        (("", " "), "ws-1", False),
    ],
)
def test_the_nodes_own_host_is_protected_whatever_the_patterns_say(proposal, own, host, refused):
    policy = ContainmentPolicy(protected_hosts=(), own_hosts=own)
    ruling = policy.rule(proposal(host=host), hosts_this_hour=0, now_ns=NOW_NS)
    assert (ruling.outcome is Outcome.REFUSED) == refused
    assert (grounds(ruling.reasons) == ("protected asset",)) == refused


@pytest.mark.parametrize("host", ["unknown", "", "10.0.0.7", "fe80::1"])
def test_a_host_that_is_not_named_is_refused_because_it_might_be_protected(proposal, host):
    target = Entity("host", host)
    ruling = POLICY.rule(proposal(target=target), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    assert grounds(ruling.reasons) == ("not identified",)


def test_an_improbable_compromise_is_refused(proposal):
    ruling = POLICY.rule(proposal(probability=0.69), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    assert ruling.reasons == ("not probable enough: 0.69 is below 0.70",)
    assert POLICY.rule(proposal(probability=0.70), hosts_this_hour=0, now_ns=NOW_NS).outcome is Outcome.APPROVED


def test_a_probability_that_is_not_a_number_is_refused(proposal):
    assert POLICY.rule(proposal(probability=math.nan), hosts_this_hour=0, now_ns=NOW_NS).outcome is Outcome.REFUSED


def test_the_blast_radius_is_kept(proposal):
    assert POLICY.rule(proposal(), hosts_this_hour=4, now_ns=NOW_NS).outcome is Outcome.APPROVED
    ruling = POLICY.rule(proposal(), hosts_this_hour=5, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    assert grounds(ruling.reasons) == ("blast radius",)
    assert ContainmentPolicy(max_hosts=0).rule(proposal(), hosts_this_hour=0, now_ns=NOW_NS).outcome is Outcome.REFUSED


@pytest.mark.requirement("HWF-4")
@pytest.mark.parametrize(
    ("happened_ns", "told"),
    [
        (NOW_NS - DAY_NS - NS_PER_S, "old evidence: the latest is of 2025-12-31, 24 hours old, more than 24 hours; "),
        (ns_from_iso("2019-03-19T08:00:00Z"), "old evidence: the latest is of 2019-03-19, 7 years old, more than 24 h"),
        (0, "old evidence: when it happened is not known; "),
    ],
    ids=["a day", "years", "unknown"],
)
def test_on_old_evidence_a_person_decides(proposal, happened_ns, told):
    ruling = POLICY.rule(proposal(evidence_at_ns=happened_ns), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    [reason] = ruling.reasons
    assert reason.startswith(told)
    assert reason.endswith("a person must decide")


def test_one_line_that_is_dated_ahead_keeps_nothing_from_being_decided(proposal):
    ruling = POLICY.rule(proposal(evidence_at_ns=NOW_NS + 2 * DAY_NS), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.APPROVED


def test_how_old_evidence_may_be_is_a_setting(proposal):
    week = ContainmentPolicy(max_evidence_age_s=7 * 86_400.0)
    of_monday = proposal(evidence_at_ns=NOW_NS - 6 * DAY_NS)
    ruling = week.rule(of_monday, hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.APPROVED
    assert "recent: the latest evidence is 6 days old, at most 7 days is allowed" in ruling.reasons


@pytest.mark.parametrize("changes", [{"action": "wipe-host"}, {"target": Entity("user", "alice")}])
def test_what_the_policy_does_not_know_is_refused(proposal, changes):
    ruling = POLICY.rule(proposal(**changes), hosts_this_hour=0, now_ns=NOW_NS)
    assert ruling.outcome is Outcome.REFUSED
    assert "not covered" in grounds(ruling.reasons)


def test_a_refusal_gives_every_ground(proposal):
    ruling = POLICY.rule(proposal(host="dc01", probability=0.2), hosts_this_hour=9, now_ns=NOW_NS)
    assert grounds(ruling.reasons) == ("protected asset", "not probable enough", "blast radius")


@pytest.mark.parametrize(
    "settings", [{"min_probability": 1.5}, {"min_probability": -0.1}, {"max_hosts": -1}, {"max_evidence_age_s": 0.0}]
)
def test_a_policy_that_cannot_be_is_refused(settings):
    with pytest.raises(InvalidInput):
        ContainmentPolicy(**settings)
