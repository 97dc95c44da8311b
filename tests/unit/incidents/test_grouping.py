"""Which findings become one incident, why, and what a person's word does to it."""

import msgspec
import pytest

from phalanx.core import Entity, Finding, Severity, derive_id
from phalanx.incidents import Said, Tie, Why, grouped, ties
from phalanx.intel import Hunt, HuntHit

S = 10**9
BEGIN = 1_772_443_800 * S
NAMES = {"192.0.2.107": "ws-07", "192.0.2.20": "fs-01"}


def finding(ident, host, *entities, at_s=0.0, severity=Severity.HIGH, tactics=("execution",)):
    at_ns = BEGIN + int(at_s * S)
    return Finding(
        id=ident, tenant="t", trace=f"trace-{ident}", at_ns=at_ns, case=f"{host}@2026-03-02", rule="r", title="r",
        severity=severity, confidence=0.9, techniques=(), tactics=tactics,
        entities=(Entity("host", host), *(Entity(*one) for one in entities)), evidence=(f"event-{ident}",), hits=1,
        first_seen_ns=at_ns, last_seen_ns=at_ns, accepted_at_ns=at_ns, found_at_ns=at_ns, explanation="",
    )  # fmt: skip


def hunt(of, *hits):
    made = tuple(
        HuntHit(f"hit-{number}", BEGIN + int(at_s * S), "", tuple(Entity(*one) for one in names))
        for number, (at_s, *names) in enumerate(hits)
    )
    return Hunt(
        id=derive_id(BEGIN, "hunt", of), tenant="t", trace="", at_ns=BEGIN, case="", finding=of, skill="expand",
        queries=(), hits=made, entities=(), events=100, chunks=10,
    )  # fmt: skip


def groups(findings, hunts=(), said=Said()):  # noqa: B008
    found = grouped(findings, ties(findings, hunts, NAMES), said)
    return sorted(sorted(one.id for one in group.findings) for group in found)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (("ws-07", ("user", "kim")), ("ws-07", ("user", "CORP\\kim")), True),
        (("ws-07",), ("ws-07",), True),
        (("fs-01", ("user", "kim")), ("fs-01", ("user", "lee")), False),
        (("fs-01", ("user", "svc")), ("app-01", ("user", "svc@corp")), True),
        (("fs-01", ("user", "NT AUTHORITY\\SYSTEM")), ("app-01", ("user", "SYSTEM")), False),
        (("dc-01", ("ip", "192.0.2.20")), ("fs-01",), True),
        (("dc-01", ("ip", "203.0.113.9")), ("fs-01", ("ip", "203.0.113.9")), True),
        (("dc-01", ("process", "cmd.exe")), ("fs-01", ("process", "cmd.exe")), False),
    ],
)
def test_what_puts_two_findings_together(one, other, together):
    found = groups([finding("1", *one), finding("2", *other, at_s=60)])
    assert found == ([["1", "2"]] if together else [["1"], ["2"]])


@pytest.mark.requirement("AGT-1")
def test_what_happened_months_apart_is_apart_however_it_arrived_together():
    now_s = 200 * 86_400.0
    touch = finding("1", "ws-07", ("user", "kim"), at_s=now_s)
    of_march = msgspec.structs.replace(
        finding("2", "ws-07", ("user", "kim")), accepted_at_ns=touch.accepted_at_ns, found_at_ns=touch.found_at_ns
    )
    assert groups([touch, of_march]) == [["1"], ["2"]]
    assert groups([touch, finding("3", "ws-07", ("user", "kim"), at_s=now_s - 60)]) == [["1", "3"]]


def test_time_loosens_what_ties():
    near = [finding("1", "ws-07"), finding("2", "ws-07", at_s=600)]
    far = [finding("1", "ws-07"), finding("2", "ws-07", at_s=8 * 3_600)]
    assert groups(near) == [["1", "2"]]
    assert groups(far) == [["1"], ["2"]]


@pytest.mark.requirement("AGT-1")
def test_a_hunt_leads_from_one_host_to_another_unless_the_way_is_usual():
    pair = [finding("1", "fs-01", ("user", "svc-backup")), finding("2", "ws-07", ("user", "kim"), at_s=30)]
    way = (("host", "fs-01"), ("user", "svc-backup"), ("ip", "192.0.2.107"))
    assert groups(pair) == [["1"], ["2"]]
    assert groups(pair, [hunt("1", (10, *way))]) == [["1", "2"]]
    assert groups(pair, [hunt("1", (-50, *way), (10, *way))]) == [["1"], ["2"]]


@pytest.mark.requirement("AGT-1")
def test_a_hunt_shows_on_one_host_what_a_finding_of_another_names():
    pair = [finding("1", "web-01"), finding("2", "ws-07", ("ip", "203.0.113.66"), at_s=300)]
    seen = hunt("1", (20, ("host", "web-01"), ("ip", "203.0.113.66")))
    assert groups(pair, [seen]) == [["1", "2"]]
    [group] = grouped(pair, ties(pair, [seen], NAMES), Said())
    assert [why.kind for why in group.members[1].why] == ["hunt"]


def test_an_account_of_many_hosts_ties_little_also_by_what_hunts_found_of_it():
    pair = [finding("1", "h-1", ("user", "adm")), finding("2", "h-2", ("user", "adm"), at_s=30)]
    assert groups(pair) == [["1", "2"]]
    rounds = [(60.0 + n, ("host", f"h-{n}"), ("user", "adm")) for n in range(1, 6)]
    assert groups(pair, [hunt("1", *rounds)]) == [["1"], ["2"]]
    # What else both name still ties them.
    both = [finding("1", "h-1", ("user", "adm"), ("ip", "203.0.113.9")), finding("2", "h-2", ("ip", "203.0.113.9"))]
    assert groups(both, [hunt("1", *rounds)]) == [["1", "2"]]


def test_a_list_of_guessed_accounts_names_nobody():
    guessed = [("user", name) for name in ("admin", "oracle", "pi")]
    assert groups([finding("1", "h-1", *guessed), finding("2", "h-2", *guessed, at_s=5)]) == [["1"], ["2"]]
    assert groups([finding("1", "h-1", *guessed[:2]), finding("2", "h-2", *guessed[:2], at_s=5)]) == [["1", "2"]]


def test_what_names_nobody_belongs_to_what_is_nearest_on_its_host():
    kim, lee = finding("1", "h-1", ("user", "kim")), finding("2", "h-1", ("user", "lee"), at_s=400)
    assert groups([kim, lee, finding("3", "h-1", at_s=398)]) == [["1"], ["2", "3"]]
    assert groups([kim, lee, finding("3", "h-1", at_s=3)]) == [["1", "3"], ["2"]]


def test_a_hunted_event_leads_to_the_nearest_findings_and_not_to_those_of_others():
    way = (("host", "h-2"), ("user", "svc"))
    first, later = finding("1", "h-1", ("user", "svc")), ("ip", "203.0.113.9")
    assert groups([first, finding("2", "h-2", later, at_s=12)], [hunt("1", (10, *way))]) == [["1", "2"]]
    others = finding("2", "h-2", ("user", "lee"), at_s=12)
    assert groups([first, others], [hunt("1", (10, *way))]) == [["1"], ["2"]]
    # Somebody else is nearer to the event than what names nobody.
    assert groups([first, others, finding("3", "h-2", at_s=900)], [hunt("1", (10, *way))]) == [["1"], ["2", "3"]]


def test_the_order_of_findings_does_not_matter():
    many = [finding(str(number), f"h-{number % 3}", ("user", f"u{number % 2}"), at_s=number) for number in range(12)]
    assert groups(many) == groups(many[::-1])


def test_what_people_say_holds_against_ties_that_come_later():
    trio = [finding(str(number), "ws-07", ("user", "kim"), at_s=number) for number in range(3)]
    apart = Said(apart=((frozenset({"0"}), frozenset({"1"})),))
    found = groups(trio, said=apart)
    assert len(found) == 2
    assert not any({"0", "1"} <= set(group) for group in found)
    strangers = [finding("1", "a"), finding("2", "b")]
    why = Why("person", "kim", "kim: same actor", 1.0)
    assert groups(strangers, said=Said(together=((("1", "2"), why),))) == [["1", "2"]]


def test_what_is_likely_an_attack_has_several_stages_or_one_that_hardly_anybody_does():
    alone = grouped([finding("1", "a", severity=Severity.MEDIUM)], (), Said())[0]
    worst = grouped([finding("1", "a", severity=Severity.CRITICAL, tactics=("credential-access",))], (), Said())[0]
    several = [
        finding(str(place), "a", tactics=(tactic,)) for place, tactic in enumerate(("execution", "lateral-movement"))
    ]
    both = grouped(several, [Tie("0", "1", 1.0, ())], Said())[0]
    assert alone.probability < 0.5 < both.probability
    assert worst.probability > 0.5
