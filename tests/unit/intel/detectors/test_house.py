"""Detectors that learn what is usual in a house, over batches whose truth is known."""

import numpy as np
import pytest

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId, derive_id
from phalanx.intel.detectors import BEACON, RARE_CHILD, RARE_LOGON, BeaconDetector, RarityDetector
from phalanx.intel.detectors._limits import BEACON_COMMON_HOSTS, MAX_PAIRS, MAX_STARTED, MAX_STARTERS
from phalanx.testing.contracts import DETECTOR_CHECKS

DAY_NS = 1_760_000_000 * NS_PER_S
CONN = LogSource("zeek", "firewall", "conn")
SYSMON = LogSource("windows", "process_creation", "sysmon")


def batches(log_source, rows, size=50):
    """``rows``: (second, fields), in order, cut into batches."""
    made = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        names = dict.fromkeys(name for _, fields in part for name in fields)
        batch = BatchId(derive_id(DAY_NS, "batch", str(start)))
        made.append(
            EventBatch(
                TenantId("local"), batch, log_source, "test", DAY_NS, range(len(part)),
                [DAY_NS + int(at * NS_PER_S) for at, _ in part], [b"{}"] * len(part),
                {name: [fields.get(name) for _, fields in part] for name in names},
            )
        )  # fmt: skip
    return made


def call(at, host, to, port=443):
    return at, {"id.orig_h": host, "id.resp_h": to, "id.resp_p": port}


def steps(host, to, *, every_s, jitter, n=60, seed=1):
    draw = np.random.default_rng(seed)
    at, rows = 0.0, []
    for _ in range(n):
        at += every_s * (1 + jitter * draw.uniform(-1, 1))
        rows.append(call(at, host, to))
    return rows


def browsing(host, n=600, seed=2):
    """Bursts at random moments to a few destinations, as people make them."""
    draw = np.random.default_rng(seed)
    at, rows = 0.0, []
    for _ in range(n):
        at += draw.exponential(8.0) if draw.random() < 0.8 else draw.exponential(400.0)
        rows.append(call(at, host, f"198.51.100.{draw.integers(1, 12)}"))
    return rows


def found(detector, made):
    return [hit for batch in made for hit in detector.evaluate(batch)]


def house(*parts):
    return batches(CONN, sorted((row for part in parts for row in part), key=lambda row: row[0]))


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_a_beacon_among_browsing_is_found_and_told_once(jitter):
    hits = found(
        BeaconDetector(),
        house(
            steps("10.0.0.5", "203.0.113.9", every_s=60, jitter=jitter),
            *(browsing(f"10.0.0.{n}") for n in range(6, 10)),
        ),
    )
    assert [hit.subject for hit in hits] == ["10.0.0.5>203.0.113.9:443"]
    assert hits[0].rule is BEACON
    assert "about every 6" in hits[0].told or "about every 5" in hits[0].told


@pytest.mark.requirement("INT-2")
def test_people_who_browse_are_no_beacons():
    assert not found(BeaconDetector(), house(*(browsing(f"10.0.0.{n}", seed=n) for n in range(20))))


def test_what_the_whole_house_calls_in_step_is_no_beacon():
    everybody = [steps(f"10.0.1.{n}", "192.0.2.1", every_s=64, jitter=0.0, seed=n) for n in range(BEACON_COMMON_HOSTS)]
    assert not found(BeaconDetector(), house(*everybody))
    assert found(BeaconDetector(), house(*everybody[: BEACON_COMMON_HOSTS - 1]))


def test_connections_of_one_call_are_one_contact():
    bursts = [call(at + part * 0.1, "10.0.0.5", "203.0.113.9") for at in range(0, 60 * 30, 60) for part in range(5)]
    assert len(found(BeaconDetector(), house(bursts))) == 1
    assert not found(BeaconDetector(), house([call(at * 0.1, "10.0.0.5", "203.0.113.9") for at in range(400)]))


def test_pairs_that_are_remembered_are_bounded():
    detector = BeaconDetector()
    found(detector, house([call(float(n), "10.0.0.1", f"host-{n}") for n in range(3 * MAX_PAIRS)]))
    (only,) = detector._houses.values()
    assert len(only.pairs) == MAX_PAIRS


def start(at, parent, child):
    return at, {"ParentImage": f"C:\\Windows\\{parent}", "Image": f"C:\\Windows\\{child}"}


def office(n=400, seed=3):
    draw = np.random.default_rng(seed)
    children = ["splwow64.exe", "werfault.exe", "msedge.exe"]
    return [start(float(at), "WINWORD.EXE", children[draw.integers(0, 3)]) for at in range(n)]


@pytest.mark.requirement("INT-2")
def test_a_program_that_starts_something_new_is_told_with_what_is_usual():
    detector = RarityDetector()
    assert not found(detector, batches(SYSMON, office()))
    (hit,) = found(detector, batches(SYSMON, [start(500.0, "WINWORD.EXE", "powershell.exe")]))
    assert hit.rule is RARE_CHILD
    assert "winword.exe was seen 400 times before, never with powershell.exe" in hit.told
    assert not found(detector, batches(SYSMON, [start(501.0, "WINWORD.EXE", "powershell.exe")])), "it is known now"


def test_a_starter_seen_seldom_says_nothing():
    assert not found(RarityDetector(), batches(SYSMON, [*office(40), start(99.0, "WINWORD.EXE", "powershell.exe")]))


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize(
    ("log_source", "fields"),
    [
        (LogSource("windows", "", "security"), {"EventID": 4624, "TargetUserName": "anna", "Hostname": "ws-1"}),
        (LogSource("linux", "", "sshd"), {"action": "accepted", "user": "anna", "hostname": "ws-1"}),
    ],
)
def test_a_user_who_logs_on_elsewhere_is_told(log_source, fields):
    detector = RarityDetector()
    assert not found(detector, batches(log_source, [(float(at), fields) for at in range(200)]))
    name = "Hostname" if "Hostname" in fields else "hostname"
    (hit,) = found(detector, batches(log_source, [(300.0, fields | {name: "dc-1"})]))
    assert hit.rule is RARE_LOGON


def test_starters_that_are_remembered_are_bounded_and_the_state_fits():
    detector = RarityDetector()
    rows = [start(0.0, f"p{n // 100}" + "x" * 200, f"c{n}" + "y" * 200) for n in range(100 * (MAX_STARTERS + 50))]
    found(detector, batches(SYSMON, rows, size=5_000))
    (only,) = detector._houses.values()
    assert len(only.starters) <= MAX_STARTERS
    assert max(len(one.started) for one in only.starters.values()) <= MAX_STARTED
    state = detector.state(TenantId("local"))
    assert state is not None
    assert len(state) < 1 << 20


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("make", "made"),
    [
        (BeaconDetector, house(steps("10.0.0.5", "203.0.113.9", every_s=60, jitter=0.05, n=20))),
        (RarityDetector, batches(SYSMON, [*office(120), start(500.0, "WINWORD.EXE", "powershell.exe")], size=20)),
    ],
    ids=["beaconing", "rarity"],
)
def test_detectors_keep_the_contract(check, make, made):
    check(make, made)


@pytest.mark.parametrize(
    "columns", [{}, {"id.orig_h": [None, "a"], "id.resp_h": ["b", None]}, {"ParentImage": [1, None]}]
)
@pytest.mark.parametrize("log_source", [CONN, SYSMON, LogSource("windows", "", "security"), LogSource()])
def test_fields_that_are_missing_or_odd_are_no_mistake(log_source, columns):
    batch = EventBatch(
        TenantId("local"),
        BatchId(derive_id(DAY_NS, "b")),
        log_source,
        "test",
        DAY_NS,
        range(2),
        [DAY_NS] * 2,
        [b""] * 2,
        columns,
    )
    for detector in (BeaconDetector(), RarityDetector()):
        assert not detector.evaluate(batch)
