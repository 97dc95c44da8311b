"""From the waypoints of one way to its stations on the line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import Decision, Finding, Outcome, Waypoint
from phalanx.dashboard._render import clock_time, duration
from phalanx.workflows import StepResult

LABELS = ("Accepted", "Finding", "Mission", "Analysis", "Assessment", "Decision", "Ledger")

_VERDICT_KINDS = {"compromised": "bad", "suspicious": "warn", "inconclusive": "", "benign": "good"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A short word set apart. ``kind`` is good, warn, bad, quantum or empty."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of one way.

    ``state`` is done, running, refused, failed, or ``passed`` when there was nothing to do;
    ``ahead`` when the way is still going there, and ``none`` when it ended before. ``note`` is
    the whole of what ``what`` says in short.
    """

    label: str
    state: str
    what: str = ""
    when: str = ""
    tags: tuple[Tag, ...] = ()
    note: str = ""


def origin_tags(steps: Sequence[StepResult]) -> tuple[Tag, ...]:
    """What quantum steps really ran on, said in plain sight, and whether one was answered classically."""
    origins = dict.fromkeys(source.origin.value for step in steps for source in step.provenance)
    degraded = any(step.degraded for step in steps)
    return (*(Tag(origin, "quantum") for origin in origins), *((Tag("classical instead", "warn"),) if degraded else ()))


def outcome_tag(decision: Decision) -> Tag:
    """The outcome in its colour."""
    return Tag(decision.outcome.value, {Outcome.APPROVED: "good", Outcome.REFUSED: "warn"}.get(decision.outcome, ""))


def is_held(decision: Decision) -> bool:
    """Whether the decision says of itself that nothing was executed."""
    return any(reason.startswith("not executed") for reason in decision.reasons)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one way: its waypoints, in order, and the records some of them tell of."""

    waypoints: Sequence[Waypoint]
    findings: Sequence[Finding]
    quantum_steps: Sequence[StepResult]
    decisions: Sequence[Decision]

    def all(self, *stages: str) -> list[Waypoint]:
        return [point for point in self.waypoints if point.stage in stages]

    def after(self, *stages: str) -> str:
        """How long after acceptance the last of these was."""
        start_ns = min(finding.accepted_at_ns for finding in self.findings)
        return f"+{duration(max(point.at_ns for point in self.all(*stages)) - start_ns)}"

    @property
    def underway(self) -> bool:
        """Whether a mission is neither done nor failed."""
        ended = {point.subject for point in self.all("mission-done", "mission-failed")}
        return any(point.subject not in ended for point in self.all("mission"))


def stops(known: Known) -> tuple[Stop, ...]:
    """All stations, in order."""
    made = (_accepted, _finding, _mission, _analysis, _assessment, _decision, _ledger)
    return tuple(make(label, known) or _not_there(label, known) for label, make in zip(LABELS, made, strict=True))


def _not_there(label: str, known: Known) -> Stop:
    return Stop(label, "ahead" if known.underway else "none")


def _accepted(label: str, known: Known) -> Stop | None:
    points = known.all("accepted")
    if not points:
        return None
    detail = points[0].detail
    what = f"{_counted(int(detail.get('events', 1)), 'event')}, {detail.get('reader', '')}"
    return Stop(label, "done", what, clock_time(points[0].at_ns))


def _finding(label: str, known: Known) -> Stop:
    hits = sum(finding.hits for finding in known.findings)
    techniques = dict.fromkeys(name for finding in known.findings for name in finding.techniques)
    what = " · ".join((_counted(hits, "hit"), *list(techniques)[:2]))
    return Stop(label, "done", what, known.after("finding"))


def _mission(label: str, known: Known) -> Stop | None:
    if not known.all("mission"):
        return None
    failed, given = known.all("mission-failed"), known.all("assigned")
    when = known.after("mission", "assigned")
    if failed:
        return Stop(label, "failed", failed[-1].summary, known.after("mission-failed"), (Tag("failed", "bad"),))
    if not given:
        return Stop(label, "running", "waits for an agent", when)
    agents = dict.fromkeys(str(point.detail.get("agent", "")) for point in given)
    return Stop(label, "running" if known.underway else "done", ", ".join(agents), when)


def _analysis(label: str, known: Known) -> Stop | None:
    points = known.all("step")
    if not points:
        return None
    if known.underway and not known.all("assessment"):
        return Stop(label, "running", f"{points[-1].detail.get('step', '')} is done", known.after("step"))
    return Stop(label, "done", _counted(len(points), "step"), known.after("step"), origin_tags(known.quantum_steps))


def _assessment(label: str, known: Known) -> Stop | None:
    points = known.all("assessment")
    if not points:
        return None
    detail = points[-1].detail
    verdict = str(detail.get("verdict", ""))
    chance = Tag(f"P {float(detail.get('probability', 0)):.2f}", _VERDICT_KINDS.get(verdict, ""))
    return Stop(label, "done", verdict, known.after("assessment"), (chance,))


def _decision(label: str, known: Known) -> Stop | None:
    if known.decisions:
        decision = known.decisions[-1]
        actions = dict.fromkeys(str(point.detail.get("action", "")) for point in known.all("proposal"))
        state = "done" if decision.outcome is Outcome.APPROVED else "refused"
        what = ", ".join(actions) + (", not executed" if is_held(decision) else "")
        return Stop(label, state, what, known.after("decision"), (outcome_tag(decision),))
    ended = known.all("mission-done")
    if ended and not known.underway:
        return Stop(label, "passed", "no new decision", known.after("mission-done"), note=ended[-1].summary)
    return None


def _ledger(label: str, known: Known) -> Stop | None:
    entries = [int(point.detail.get("index", 0)) for point in known.all("ledger")]
    if not entries:
        return None
    what = f"#{entries[0]}" if len(entries) == 1 else f"#{min(entries)} – #{max(entries)}"
    return Stop(label, "done", what, known.after("ledger"))


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
