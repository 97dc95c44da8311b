"""The chart of a run."""

import xml.etree.ElementTree as ET

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Origin, Provenance, derive_id
from phalanx.workflows import (
    CircuitNow,
    CircuitWindow,
    Run,
    RunState,
    RunStatus,
    Step,
    StepKind,
    StepResult,
    Template,
    Underway,
    gantt_of,
    gantt_svg,
    now_told,
    window_told,
)

RUN = derive_id(10**18, "run")
AT = 10**18


async def nothing(context):
    return None


TEMPLATE = Template(
    name="t <&>",
    title="T",
    steps=(
        Step(name="a", kind=StepKind.CLASSICAL, run=nothing),
        Step(name="q", kind=StepKind.QUANTUM, run=nothing, fallback=nothing, needs=("a",)),
        Step(name="side", kind=StepKind.CLASSICAL, run=nothing, needs=("a",)),
        Step(name="end", kind=StepKind.CLASSICAL, run=nothing, needs=("q", "side")),
    ),
)


def result(step, start, end, *, degraded="", kind=StepKind.CLASSICAL, provenance=()):
    return StepResult(
        id=derive_id(AT, step), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=AT + end, run=RUN, step=step,
        step_kind=kind, output=None, provenance=provenance, started_ns=AT + start, finished_ns=AT + end,
        degraded=degraded,
    )  # fmt: skip


SOURCE = Provenance(origin=Origin.SIMULATED, device="local.sim", circuits=("c",), shots=1, seed=1)
RESULTS = (
    result("a", 10, 100),
    result("q", 130, 900, kind=StepKind.QUANTUM, provenance=(SOURCE,)),
    result("side", 120, 300),
    result("end", 950, 1000),
)


def chart(results, underway=None, **state):
    run = Run(
        id=RUN, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=AT, template=TEMPLATE.name, shape=TEMPLATE.shape,
        inputs={}, seed=1,
    )  # fmt: skip
    state = RunState(
        id=RUN, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=AT, template=TEMPLATE.name, queued_ns=AT,
        **{"status": RunStatus.DONE, **state},
    )  # fmt: skip
    return gantt_of(TEMPLATE, run, state, results, (), underway, now_ns=AT + 400)


@pytest.mark.requirement("HWF-5")
def test_hand_overs_windows_and_the_critical_path():
    gantt = chart(RESULTS)
    assert gantt.critical_path == ("a", "q", "end")
    assert {bar.step: bar.handover_ns for bar in gantt.bars} == {"a": -1, "q": 30, "side": 20, "end": 50}
    assert gantt.bars[1].windows == ("simulated on local.sim",)
    assert [bar.critical for bar in gantt.bars] == [True, True, False, True]
    assert gantt.span_ns == 1000


def test_a_run_that_is_under_way_shows_what_is_to_come():
    gantt = chart(RESULTS[:1], status=RunStatus.FAILED, step="q")
    assert gantt.critical_path == ()
    assert [bar.status for bar in gantt.bars] == ["done", "failed", "to come", "to come"]


@pytest.mark.requirement("HWF-5")
def test_steps_that_wait_and_run_are_drawn_up_to_now_with_device_and_reason():
    waits = CircuitNow(
        device="x.good", reason="likeliest to succeed", stage="waits for its window", since_ns=AT + 150,
        booking="w", booked_from_ns=AT + 500, booked_until_ns=AT + 900, forecast_s=2.0, forecast_by="4 jobs",
        priority=120,
    )  # fmt: skip
    underway = {
        "q": Underway(ready_ns=AT + 100, started_ns=AT + 120, circuits=(waits,)),
        "side": Underway(ready_ns=AT + 110),
    }
    gantt = chart(RESULTS[:1], underway, status=RunStatus.RUNNING)
    assert [bar.status for bar in gantt.bars] == ["done", "running", "waiting", "to come"]
    assert [bar.start_ns for bar in gantt.bars] == [10, 120, 110, 0]
    assert (gantt.now_ns, gantt.span_ns) == (400, 400)
    assert (gantt.bars[1].now[0].booked_from_ns, gantt.bars[1].now[0].since_ns) == (500, 150)
    assert "priority 120, 2 s foreseen (4 jobs)" in now_told(gantt.bars[1].now[0])
    drawn = gantt_svg(gantt)
    titles = [found.text for found in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}title")]
    assert any("q: running; waits for its window at x.good: likeliest to succeed" in one for one in titles)
    assert any("side: waiting" in one for one in titles)
    paused = chart(RESULTS[:1], underway, status=RunStatus.PAUSED)
    assert [bar.status for bar in paused.bars] == ["done", "to come", "to come", "to come"]


def test_the_picture_is_well_formed_and_says_what_the_chart_says():
    root = ET.fromstring(gantt_svg(chart(RESULTS)))
    titles = [found.text for found in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0].startswith("t <&>: done")
    assert any("q: " in title and "simulated on local.sim" in title for title in titles)
    assert len(titles) == 5


@pytest.mark.requirement("HWF-2", "HWF-5")
def test_booked_windows_are_drawn_and_tell_what_is_kept_treated_and_paid():
    stay = CircuitWindow(
        device="x.good", reason="likeliest to succeed", begun_ns=AT + 200, ended_ns=AT + 800, circuits=3,
        decision="job", booking="window", booked_from_ns=AT + 150, booked_until_ns=AT + 5_000, forecast_s=2.0,
        forecast_by="4 jobs",
        waited_s=1.5, priority=120, coherence="decoupling-xy4", survival=0.72, bound=0.8, mitigation="readout tensored",
        benefit=0.05, cost=4.0, currency="USD",
    )  # fmt: skip
    placed = msgspec.structs.replace(
        RESULTS[1], windows=(stay,), way="circuits", why="x.good (quantum): it loses least"
    )
    gantt = chart((RESULTS[0], placed, *RESULTS[2:]))
    (told,) = gantt.bars[1].placed
    assert (told.booked_from_ns, told.booked_until_ns, told.begun_ns) == (150, 5_000, 200)
    assert gantt.bars[1].decided == "x.good (quantum): it loses least"
    words = window_told(told)
    for part in (
        "priority 120, waited 1.5 s of 2 s foreseen (4 jobs)",
        "72.0% expected to survive",
        "80.0% at best (90.0%",
        "nearer to ideal by +0.050",
        "4 USD",
    ):
        assert part in words
    drawn = ET.fromstring(gantt_svg(gantt))
    frames = [one for one in drawn.iter() if one.get("stroke-dasharray")]
    assert len(frames) == 1
    assert float(frames[0].get("x")) + float(frames[0].get("width")) <= 960 - 24


def test_a_step_that_was_routed_to_its_fallback_is_no_failure():
    routed = msgspec.structs.replace(RESULTS[1], way="fallback", why="it loses less")
    gantt = chart((RESULTS[0], routed, *RESULTS[2:]))
    bar = gantt.bars[1]
    assert (bar.status, bar.why, bar.decided) == ("answered classically", "", "it loses less")
    assert "#c2570c" in gantt_svg(gantt)
