"""The chart of a run: when each step worked, on what, what it waited for, and which steps determined the run's
length.

Pure: everything is in what the run left behind. A **hand-over** is the time from the end of the last step that a
step needed to the step's own start. The **critical path** is walked back from the step that ended last, each time
to the step it needed that ended last.
"""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import msgspec

from phalanx.core import NS_PER_MS, counted
from phalanx.workflows._attempts import StepAttempt
from phalanx.workflows._records import FALLBACK_WAY, Run, StepResult
from phalanx.workflows._states import RunState, RunStatus
from phalanx.workflows._template import Template
from phalanx.workflows._underway import RUNS, CircuitNow, Underway
from phalanx.workflows._windows import CircuitWindow
from phalanx.workflows.workers import PieceDone

_TOLD_CHARS = 120
_WIDTH, _LEFT, _ROW, _TOP, _RIGHT = 960, 200, 26, 46, 24


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One step. Times are nanoseconds since the run began; ``handover_ns`` is -1 where it needed nothing.

    ``status`` says of a step that is not done whether it is ``running``, ``waiting`` for a place among steps of its
    kind, or ``to come``; ``start_ns`` is since when, and ``now`` where its circuits are at this moment, and why.
    ``windows`` are the devices that its circuits ran on, as ``origin on device``; ``placed`` says when, and why there.
    ``pieces`` are what was done in processes, of this node or of workers.
    ``why`` is the reason of a classical answer that was not wanted; ``way`` and ``decided`` say who answered a quantum
    step, and why that was so decided. ``failed_attempts`` were noted before the one that counts.
    """

    step: str
    kind: str
    needs: tuple[str, ...]
    status: str
    start_ns: int = 0
    end_ns: int = 0
    handover_ns: int = -1
    windows: tuple[str, ...] = ()
    placed: tuple[CircuitWindow, ...] = ()
    now: tuple[CircuitNow, ...] = ()
    pieces: tuple[PieceDone, ...] = ()
    why: str = ""
    way: str = ""
    decided: str = ""
    failed_attempts: int = 0
    critical: bool = False


class Gantt(msgspec.Struct, frozen=True, kw_only=True):
    """The chart of a run. ``critical_path`` is empty until every step is done; ``now_ns`` 0 where none is at work."""

    run: str
    template: str
    status: str
    begun_ns: int
    span_ns: int
    bars: tuple[Bar, ...]
    critical_path: tuple[str, ...]
    now_ns: int = 0


def gantt_of(
    template: Template, run: Run, state: RunState, results: Sequence[StepResult], attempts: Sequence[StepAttempt],
    underway: Mapping[str, Underway] | None = None, *, now_ns: int = 0,
) -> Gantt:  # fmt: skip
    """The chart of ``run`` as far as it has come; ``underway`` is what its steps do at ``now_ns``."""
    underway = {name: one for name, one in (underway or {}).items() if state.status is RunStatus.RUNNING}
    by_step = {result.step: result for result in results}
    path = _critical(template, by_step)
    bars = []
    for step in template.steps:
        failed = sum(1 for one in attempts if one.step == step.name and one.ended_ns and one.work.value == "run")
        found = by_step.get(step.name)
        bar = Bar(
            step=step.name, kind=step.kind.value, needs=step.needs, failed_attempts=failed,
            status="failed" if state.step == step.name else "to come",
        )  # fmt: skip
        if found is None and step.name in underway:
            bar = _going_on(bar, underway[step.name], run.at_ns)
        if found is not None:
            ready = max((by_step[need].finished_ns for need in step.needs if need in by_step), default=None)
            bar = msgspec.structs.replace(
                bar,
                status="answered classically" if found.by_fallback else "done",
                start_ns=found.started_ns - run.at_ns,
                end_ns=found.finished_ns - run.at_ns,
                handover_ns=-1 if ready is None else max(0, found.started_ns - ready),
                windows=tuple(dict.fromkeys(f"{one.origin.value} on {one.device}" for one in found.provenance)),
                placed=tuple(_since(one, run.at_ns) for one in found.windows),
                pieces=tuple(
                    msgspec.structs.replace(one, begun_ns=one.begun_ns - run.at_ns, ended_ns=one.ended_ns - run.at_ns)
                    for one in found.pieces
                ),
                why=found.degraded,
                way=found.way,
                decided=found.why,
                critical=step.name in path,
            )
        bars.append(bar)
    at_ns = max(0, now_ns - run.at_ns) if underway else 0
    span_ns = max((at_ns, *(bar.end_ns for bar in bars)))
    return Gantt(
        run=run.id, template=run.template, status=state.status.value, begun_ns=run.at_ns, span_ns=span_ns,
        bars=tuple(bars), critical_path=path, now_ns=at_ns,
    )  # fmt: skip


def _going_on(bar: Bar, underway: Underway, at_ns: int) -> Bar:
    now = tuple(
        msgspec.structs.replace(
            one, since_ns=one.since_ns - at_ns,
            booked_from_ns=one.booked_from_ns - at_ns if one.booking else 0,
            booked_until_ns=one.booked_until_ns - at_ns if one.booking else 0,
        )
        for one in underway.circuits
    )  # fmt: skip
    return msgspec.structs.replace(
        bar, status="running" if underway.started_ns else "waiting", now=now,
        start_ns=(underway.started_ns or underway.ready_ns) - at_ns,
    )  # fmt: skip


def _since(window: CircuitWindow, at_ns: int) -> CircuitWindow:
    """With its times counted from the run's beginning; what was never booked has none."""
    booked = (
        {"booked_from_ns": window.booked_from_ns - at_ns, "booked_until_ns": window.booked_until_ns - at_ns}
        if window.booking
        else {}
    )
    return msgspec.structs.replace(
        window, begun_ns=window.begun_ns - at_ns, ended_ns=window.ended_ns - at_ns, **booked
    )  # fmt: skip


def _critical(template: Template, results: dict[str, StepResult]) -> tuple[str, ...]:
    if len(results) < len(template.steps):
        return ()
    needs = {step.name: step.needs for step in template.steps}
    at = max(needs, key=lambda name: results[name].finished_ns)
    path = [at]
    while needs[at]:
        at = max(needs[at], key=lambda name: results[name].finished_ns)
        path.append(at)
    return tuple(reversed(path))


def gantt_svg(gantt: Gantt) -> str:
    """The chart as a picture that stands alone. Colours differ in lightness too, and each bar says what it is."""
    height = _TOP + _ROW * len(gantt.bars) + 18
    per_ns = (_WIDTH - _LEFT - _RIGHT) / max(1, gantt.span_ns)
    title = escape(f"{gantt.template}: {gantt.status}, {gantt.span_ns / NS_PER_MS:.1f} ms")
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img" font-family="sans-serif" font-size="12">'
        ),
        f"<title>{title}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-weight="bold">{title}</text>',
        (
            '<text x="8" y="34" fill="#444444">blue: classical, violet: quantum, orange: answered classically; '
            "light stripe: at a device; dashed: booked there; outlined: critical path</text>"
        ),
    ]
    for at, bar in enumerate(gantt.bars):
        y = _TOP + _ROW * at
        parts += _row(bar, y, per_ns) if bar.end_ns else _unfinished(bar, y, per_ns, gantt.now_ns)
    return "\n".join((*parts, "</svg>", ""))


def _row(bar: Bar, y: int, per_ns: float) -> list[str]:
    label = f'<text x="8" y="{y + 17}">{escape(bar.step)}</text>'
    colour = "#c2570c" if bar.why or bar.way == FALLBACK_WAY else {"quantum": "#6d28d9"}.get(bar.kind, "#2563eb")
    x, width = _LEFT + bar.start_ns * per_ns, max(2.0, (bar.end_ns - bar.start_ns) * per_ns)
    outline = ' stroke="#000000" stroke-width="2"' if bar.critical else ""
    told = f"{bar.step}: {(bar.end_ns - bar.start_ns) / NS_PER_MS:.2f} ms, {', '.join(bar.windows) or bar.kind}"
    told += f", hand-over {bar.handover_ns / NS_PER_MS:.2f} ms" if bar.handover_ns >= 0 else ""
    told += f", {bar.why}" if bar.why else ""
    told += f", {bar.decided}" if bar.decided else ""
    return [
        label,
        (
            f'<rect x="{x:.2f}" y="{y + 4}" width="{width:.2f}" height="18" rx="3" fill="{colour}"{outline}>'
            f"<title>{escape(told)}</title></rect>"
        ),
        *(_window(one, y, per_ns) for one in bar.placed),
    ]


def _unfinished(bar: Bar, y: int, per_ns: float, now_ns: int) -> list[str]:
    """A step that is at work, waits, or is to come: an open bar up to now, with where its circuits are beside it."""
    label = f'<text x="8" y="{y + 17}">{escape(bar.step)}</text>'
    told = "; ".join((bar.status, *map(now_told, bar.now)))
    if bar.status not in ("running", "waiting"):
        return [label, f'<text x="{_LEFT}" y="{y + 17}" fill="#666666">{escape(told)}</text>']
    x = _LEFT + bar.start_ns * per_ns
    width = max(2.0, (now_ns - bar.start_ns) * per_ns)
    line = "#6d28d9" if bar.kind == "quantum" else "#2563eb"
    fill, dash = (
        ("#ede9fe" if bar.kind == "quantum" else "#dbeafe", "") if bar.status == "running" else ("#ffffff", "6 3")
    )
    text = f'<text x="{_LEFT + 4}" y="{y + 17}" fill="#222222" font-size="11">{escape(told[:_TOLD_CHARS])}</text>'
    return [
        label,
        (
            f'<rect x="{x:.2f}" y="{y + 4}" width="{width:.2f}" height="18" rx="3" fill="{fill}" stroke="{line}" '
            f'stroke-dasharray="{dash or "none"}"><title>{escape(f"{bar.step}: {told}")}</title></rect>'
        ),
        text,
    ]


def _window(window: CircuitWindow, y: int, per_ns: float) -> str:
    """Circuits at a device, as a light stripe within the step's bar, and what was booked there as a dashed frame."""
    x, width = _LEFT + window.begun_ns * per_ns, max(1.0, (window.ended_ns - window.begun_ns) * per_ns)
    stripe = (
        f'<rect x="{x:.2f}" y="{y + 10}" width="{width:.2f}" height="6" fill="#ede9fe">'
        f"<title>{escape(window_told(window))}</title></rect>"
    )
    if not window.booking:
        return stripe
    # What was booked beyond the end of the run was given back: it is drawn as far as the chart goes.
    x = max(float(_LEFT), _LEFT + window.booked_from_ns * per_ns)
    end = min(float(_WIDTH - _RIGHT), _LEFT + window.booked_until_ns * per_ns)
    return stripe + (
        f'<rect x="{x:.2f}" y="{y + 2}" width="{max(1.0, end - x):.2f}" height="22" fill="none" stroke="#6d28d9" '
        f'stroke-dasharray="3 2"/>'
    )


def foreseen(one: CircuitNow | CircuitWindow) -> str:
    """How long it was expected to wait, and by what."""
    return f"{one.forecast_s:.3g} s foreseen" + (f" ({one.forecast_by})" if one.forecast_by else "")


def now_told(now: CircuitNow) -> str:
    """A circuit that is under way in words."""
    parts = [f"{now.stage} on {now.device}" if now.stage == RUNS else f"{now.stage} at {now.device}", now.reason]
    if now.booking and now.stage != RUNS:
        parts.append(f"priority {now.priority}, {foreseen(now)}")
    return ": ".join(parts[:2]) + "".join(f", {one}" for one in parts[2:])


def window_told(window: CircuitWindow) -> str:
    """One stay at a device in words: why there, how it was kept coherent and treated, and what it cost."""
    parts = [f"{counted(window.circuits, 'circuit')} on {window.device}: {window.reason}"]
    if window.booking:
        parts.append(f"priority {window.priority}, waited {window.waited_s:.3g} s of {foreseen(window)}")
    elif window.waited_s:
        parts.append(f"waited {window.waited_s:.3g} s for room in a queue")
    if window.survival is not None and window.bound is not None and window.kept is not None:
        parts.append(
            f"{window.coherence}: {window.survival:.1%} expected to survive, {window.bound:.1%} at best "
            f"({window.kept:.1%} of it)"
        )
    if window.mitigation:
        gain = "" if window.benefit is None else f", nearer to ideal by {window.benefit:+.3f}"
        parts.append(f"{window.mitigation}{gain}")
    if window.cost:
        parts.append(f"{window.cost:,.4g} {window.currency}")
    return "; ".join(parts)
