"""Accounts in two places at once, over uses whose truth is known."""

import pytest

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId, derive_id
from phalanx.intel.detectors import TRAVEL, TURNS, TravelDetector
from phalanx.intel.detectors._limits import MAX_TRAVELLERS
from phalanx.intel.places import Place
from phalanx.testing.contracts import DETECTOR_CHECKS

pytestmark = pytest.mark.requirement("INT-2")

NOON_NS = 1_760_000_000 * NS_PER_S
SSHD = LogSource("linux", "", "sshd")
HOUR = 3_600.0
WHERE = {
    "8": Place(59.3, 18.1, 20.0, "Stockholm"),
    "9": Place(52.5, 13.4, 20.0, "Berlin"),
    "11": Place(1.3, 103.8, 20.0, "Singapore"),
}


ECS_LOGON = {"event.category": "authentication", "event.outcome": "success"}


class World:
    """Where addresses are, by their first byte."""

    def at(self, _, address):
        return WHERE.get(address.partition(".")[0])


def use(at_s, address, user="anna", action="accepted"):
    return at_s, {"user": user, "src_ip": address, "action": action}


def batches(rows, source=SSHD, size=3):
    made = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        names = dict.fromkeys(name for _, fields in part for name in fields)
        made.append(
            EventBatch(
                TenantId("local"), BatchId(derive_id(NOON_NS, "batch", str(start))), source, "test", NOON_NS,
                range(len(part)), [NOON_NS + int(at * NS_PER_S) for at, _ in part], [b""] * len(part),
                {name: [fields.get(name) for _, fields in part] for name in names},
            )
        )  # fmt: skip
    return made


def found(detector, rows, source=SSHD):
    return [hit for batch in batches(rows, source) for hit in detector.evaluate(batch)]


def test_nobody_is_in_stockholm_and_an_hour_later_in_singapore():
    (hit,) = found(TravelDetector(World()), [use(0, "8.1.1.1"), use(60, "8.1.1.9"), use(HOUR, "11.1.1.1")])
    assert hit.rule is TRAVEL
    assert hit.subject == "anna"
    assert {(entity.type, entity.value) for entity in hit.entities} == {
        ("user", "anna"), ("ip", "8.1.1.9"), ("ip", "11.1.1.1"),
    }  # fmt: skip
    assert len(hit.earlier) == 1, "the use before is evidence, too"
    assert "Stockholm" in hit.told
    assert "Singapore" in hit.told
    assert hit.confidence > 0.5


@pytest.mark.parametrize(
    "rows",
    [
        [use(0, "8.1.1.1"), use(14 * HOUR, "11.1.1.1")],
        [use(0, "8.1.1.1"), use(HOUR, "9.1.1.1")],
        [use(0, "8.1.1.1"), use(HOUR, "10.0.0.1"), use(2 * HOUR, "12.1.1.1")],
        [use(0, "8.1.1.1"), use(HOUR, "11.1.1.1", action="failed")],
        [use(0, "8.1.1.1"), use(HOUR, "11.1.1.1", user="ben")],
        [use(0, "8.1.1.1", user="ws1$"), use(HOUR, "11.1.1.1", user="ws1$")],
    ],
    ids=["a flight", "neighbours", "nobody knows where", "did not get in", "somebody else", "a machine"],
)
def test_what_is_possible_is_not_told(rows):
    assert not found(TravelDetector(World()), rows)


def test_a_pair_of_places_is_told_once():
    rows = [use(n * HOUR, "8.1.1.1" if n % 2 else "11.1.1.1") for n in range(20)]
    assert len(found(TravelDetector(World()), rows)) == 1


def test_late_records_are_measured_by_their_own_time():
    assert found(TravelDetector(World()), [use(HOUR, "11.1.1.1"), use(0, "8.1.1.1")])


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        (LogSource("windows", "", "security"), ("TargetUserName", "IpAddress", {"EventID": 4624})),
        (LogSource("aws", "", "cloudtrail"), ("userIdentity.arn", "sourceIPAddress", {})),
        (LogSource("ecs", "", "ecs"), ("user.name", "source.ip", ECS_LOGON)),
        (LogSource("ocsf", "", "ocsf"), ("user.name", "src_endpoint.ip", {"class_uid": 3002, "status_id": 1})),
    ],
    ids=lambda one: one.service if isinstance(one, LogSource) else "",
)  # fmt: skip
def test_uses_are_read_from_every_log_that_tells_of_them(source, fields):
    name, address, more = fields
    rows = [(at, {name: "anna", address: ip, **more}) for at, ip in ((0.0, "8.1.1.1"), (HOUR, "11.1.1.1"))]
    assert len(found(TravelDetector(World()), rows, source)) == 1


def test_without_places_there_and_back_within_minutes_is_told_once_and_a_move_is_not():
    there_and_back = [use(n * 120.0, f"93.184.{n % 2}.7") for n in range(6)]
    (hit,) = found(TravelDetector(), there_and_back)
    assert hit.rule is TURNS
    assert not found(TravelDetector(), [use(n * 120.0, f"93.184.{n}.7") for n in range(6)]), "on and on is a journey"
    assert not found(TravelDetector(), [use(n * HOUR, f"93.184.{n % 2}.7") for n in range(6)]), "home and office"
    assert not found(TravelDetector(), [use(n * 120.0, f"10.0.{n % 2}.7") for n in range(6)]), "two rooms of a house"


def test_accounts_that_are_remembered_are_bounded_and_the_state_fits():
    detector = TravelDetector(World())
    rows = [
        use(n * 30.0, f"{n % 20}.{n % 7}.{part}.1", user="x" * 300 + f"{n}") for n in range(2_000) for part in range(5)
    ]
    for batch in batches(rows, size=500):
        detector.evaluate(batch)
    (only,) = detector._houses.values()
    assert len(only.travellers) == MAX_TRAVELLERS
    assert len(detector.state(TenantId("local"))) < 600_000


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("places", [World(), None], ids=["places", "none"])
def test_it_keeps_the_contract(check, places):
    rows = [use(n * 120.0, f"{('93', '8', '11')[n % 3]}.184.{n % 2}.7", user=f"u{n % 2}") for n in range(24)]
    rows += [use(9_000 + n * 120.0, f"93.184.{n % 2}.7", user="u9") for n in range(6)]
    check(lambda: TravelDetector(places), batches(rows))


@pytest.mark.parametrize("value", [None, 7, True, "", "not an address", "1.2.3.4:22"])
def test_fields_that_are_odd_are_no_mistake(value):
    rows = [(0.0, {"user": value, "src_ip": value, "action": "accepted"})]
    assert not found(TravelDetector(World()), rows)
