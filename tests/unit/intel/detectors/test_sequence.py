"""What comes after what, over chains whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId, derive_id
from phalanx.intel.detectors import ANCESTRY, CHAIN, SequenceDetector
from phalanx.intel.detectors._limits import CHAIN_CEILING_BITS, CHAIN_FLOOR_BITS, MAX_CHAINS, MAX_LINEAGES
from phalanx.intel.detectors._sketch import Sketch, places_of
from phalanx.testing.contracts import DETECTOR_CHECKS

pytestmark = pytest.mark.requirement("INT-2")

NOON_NS = 1_760_000_000 * NS_PER_S
SECURITY = LogSource("windows", "", "security")
SYSMON = LogSource("windows", "process_creation", "sysmon")
USUAL = [4624, 4672, 4688, 4689, 4688, 4689, 4634]


def batches(rows, source=SECURITY, size=128):
    made = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        made.append(
            EventBatch(
                TenantId("local"), BatchId(derive_id(NOON_NS, "batch", str(start))), source, "test", NOON_NS,
                range(len(part)), [NOON_NS + (start + n) * NS_PER_S for n in range(len(part))], [b""] * len(part),
                {name: [row.get(name) for row in part] for name in part[0]},
            )
        )  # fmt: skip
    return made


def found(detector, made):
    return [hit for batch in made for hit in detector.evaluate(batch)]


def codes(*numbers, host="ws-1"):
    return [{"Hostname": host, "EventID": number} for number in numbers]


def days(n=600, seed=1, hosts=4):
    """Sessions one after another on several hosts, with some of the order left to chance."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        host = f"ws-{draw.integers(1, hosts + 1)}"
        order = list(USUAL)
        if draw.random() < 0.3:
            order[2:2] = [4663, 4656]
        rows += codes(*order, host=host)
    return rows


def test_a_chain_of_known_events_in_an_order_that_never_was_is_told_with_the_chain():
    detector = SequenceDetector()
    assert not found(detector, batches(days()))
    odd = [4634, 4656, 4672, 4689, 4624, 4663, 4634, 4672, 4656, 4624, 4689, 4663, 4634, 4656]
    (hit,) = found(detector, batches(codes(*odd)))
    assert hit.rule is CHAIN
    assert hit.subject == "ws-1 security"
    assert "→" in hit.told
    assert hit.earlier, "the steps before are evidence, too"
    assert not found(detector, batches(days(n=100, seed=2))), "what is usual is not told after it"


def test_nothing_is_said_of_a_house_that_is_not_known():
    assert not found(SequenceDetector(), batches(codes(*np.random.default_rng(1).integers(1, 5_000, 400).tolist())))


def test_runs_of_one_code_are_one_step():
    detector = SequenceDetector()
    found(detector, batches(codes(*[4688] * 5_000)))
    (only,) = detector._houses.values()
    assert only.sketch.total == 1


@pytest.mark.requirement("LRN-3")
def test_an_attack_does_not_raise_its_own_bar_beyond_the_ceiling():
    detector = SequenceDetector()
    found(detector, batches(days()))
    draw = np.random.default_rng(7)
    noise = [int(code) for code in draw.choice(sorted({*USUAL, 4663, 4656}), 4_000)]
    found(detector, batches(codes(*noise)))
    bar = detector.thresholds(TenantId("local"))[CHAIN.name]
    assert CHAIN_FLOOR_BITS <= bar.standing <= CHAIN_CEILING_BITS


def start(parent, child, host="ws-1"):
    return {"Hostname": host, "ParentImage": f"C:\\x\\{parent}", "Image": f"C:\\x\\{child}"}


def starts(n=120):
    rows = []
    for number in range(n):
        rows += [start("explorer.exe", "cmd.exe"), start("cmd.exe", "powershell.exe")]
        rows += [start("explorer.exe", "winword.exe"), start("winword.exe", "cmd.exe")]
        rows += [start("cmd.exe", "find.exe" if number % 2 else "sort.exe")]
    return rows


def test_a_usual_child_of_a_usual_parent_with_an_odd_ancestor_is_told():
    detector = SequenceDetector()
    assert not found(detector, batches(starts(), SYSMON))
    (hit,) = found(detector, batches([start("winword.exe", "cmd.exe"), start("cmd.exe", "powershell.exe")], SYSMON))
    assert hit.rule is ANCESTRY
    assert "winword.exe started cmd.exe" in hit.told
    again = [start("winword.exe", "cmd.exe"), start("cmd.exe", "powershell.exe")]
    assert not found(detector, batches(again, SYSMON)), "it is known now"
    other = [start("winword.exe", "cmd.exe"), start("cmd.exe", "mimikatz.exe")]
    assert not found(detector, batches(other, SYSMON)), "a new child is what rarity tells"


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=300))
def test_a_sketch_never_counts_too_little(keys):
    sketch = Sketch.new()
    for key in keys:
        sketch.take(places_of(key))
    for key in set(keys):
        assert sketch.seen(places_of(key)) >= keys.count(key)


def test_a_sketch_that_is_full_forgets_half():
    sketch = Sketch.new()
    assert [sketch.take(places_of(b"a"))[0] for _ in range(9)] == list(range(9))
    sketch.total = 100_000
    assert sketch.full
    sketch.halve()
    assert sketch.seen(places_of(b"a")) == 4
    assert not sketch.full


def test_memory_is_bounded_and_the_state_fits():
    detector = SequenceDetector()
    rows = [{"Hostname": f"{n:065}", "EventID": f"{n % 90:070}"} for n in range(2_000)]
    found(detector, batches(rows))
    found(detector, batches([start("p" * 90 + ".exe", f"{n:064}", host=f"{n:064}") for n in range(3_000)], SYSMON))
    (only,) = detector._houses.values()
    assert len(only.chains) == MAX_CHAINS
    assert len(only.lineages) == MAX_LINEAGES
    assert len(detector.state(TenantId("local"))) < 800_000


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["chain", "ancestry"])
def test_it_keeps_the_contract(check, kind):
    if kind == "chain":
        odd = codes(*[4634, 4656, 4672, 4689, 4624, 4663, 4634, 4672, 4656, 4624, 4689, 4663, 4634, 4656])
        made = batches([*days(n=400), *odd], size=400)
    else:
        odd = [start("winword.exe", "cmd.exe"), start("cmd.exe", "powershell.exe")]
        made = batches([*starts(), *odd], SYSMON, size=100)
    check(SequenceDetector, made)


@pytest.mark.parametrize("value", [None, "", 7, True, 1.5])
@pytest.mark.parametrize("source", [SECURITY, SYSMON, LogSource("linux", "", "sshd"), LogSource()])
def test_fields_that_are_odd_are_no_mistake(source, value):
    names = ("Hostname", "EventID", "type", "ParentImage", "Image", "hostname")
    assert not found(SequenceDetector(), batches([dict.fromkeys(names, value)] * 3, source))
