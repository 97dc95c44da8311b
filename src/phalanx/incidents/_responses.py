"""From an assessment to its consequences: proposed, decided, and recorded in the ledger.

Invariants:

- a proposal and the decision on it are one commit; neither is ever without the other;
- one (case, action, target) is approved once. A refusal stands until the policy would approve, or refuse on other
  grounds: later assessments of the case see more, and must be able to change it;
- whatever was committed reaches the ledger before ``consider`` returns. A crash in between is made up for by
  calling again: committed records are found, and the ledger knows their ids;
- nothing here acts on the outside.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.agents import creation_waypoint, mission_on, writes_of
from phalanx.core import (
    MAX_PAGE_ROWS,
    Assessment,
    AuditSink,
    Clock,
    Decision,
    Entity,
    Expect,
    Outcome,
    Put,
    Record,
    Severity,
    Store,
    TenantId,
    decode,
    encode,
)
from phalanx.incidents._approval import Approval
from phalanx.incidents._limits import MAX_CASE_PROPOSALS
from phalanx.incidents._model import DECISIONS, PROPOSALS, ActionProposal
from phalanx.incidents._policy import ContainmentPolicy, Ruling, grounds
from phalanx.incidents._proposing import (
    audit_entry,
    decision_on,
    hour_of,
    proposal_for,
    recent_hours,
    within_hour,
)
from phalanx.incidents._telling import decision_in_words
from phalanx.telemetry import Telemetry, waypoint_of, waypoint_put


@dataclass(frozen=True, slots=True)
class Response:
    """What came of an assessment. Both parts are None when nothing was proposed; ``note`` says it in words."""

    note: str
    proposal: ActionProposal | None = None
    decision: Decision | None = None


def _nobody() -> None:
    """Where no agents wait for missions."""


class Responses:
    """Takes assessments to their consequences, and reads proposals and decisions."""

    def __init__(
        self,
        store: Store,
        audit: AuditSink,
        policy: ContainmentPolicy,
        clock: Clock,
        telemetry: Telemetry,
        *,
        approval: Approval | None = None,
        skills: Sequence[str] = (),
        on_missions: Callable[[], None] = _nobody,
    ) -> None:
        """An approved action becomes a mission for each of ``skills``; ``on_missions`` is called once it is durable."""
        self._store = store
        self._audit = audit
        self._policy = policy
        self._approval = approval
        self._skills = tuple(skills)
        self._on_missions = on_missions
        self._clock = clock
        self._feed = telemetry.feed
        self._tracer = telemetry.tracer
        self._log = telemetry.log.bind(room="incidents")
        self._decided = telemetry.metrics.counter(
            "phalanx_decisions_total", "Decisions on proposed actions.", ("action", "outcome")
        )
        # Two assessments must not both find the blast radius with room for one more.
        self._deciding = asyncio.Lock()

    async def consider(self, assessment: Assessment) -> Response:
        """Propose what a stored ``assessment`` calls for, decide, and tell the ledger all three.

        Idempotent: calling again with the same assessment completes what was begun and changes nothing.
        """
        with self._tracer.span("respond", room="incidents", trace=assessment.trace, case=assessment.case):
            return await self._consider(assessment)

    async def _consider(self, assessment: Assessment) -> Response:
        run = f"run {assessment.run}"
        await self._tell(assessment, run, "assess", subject=str(assessment.subject), case=assessment.case)
        response = await self._respond(assessment)
        proposal, decision = response.proposal, response.decision
        if proposal is not None and decision is not None:
            case, target = proposal.case, str(proposal.target)
            await self._tell(proposal, run, f"propose {proposal.action}", subject=target, case=case)
            outcome = f"{decision.outcome.value} {proposal.action}"
            await self._tell(decision, decision.authority, outcome, subject=target, case=case)
        return response

    async def proposals(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[ActionProposal]:
        """Proposals by id, past ``after``."""
        rows = await self._store.scan(PROPOSALS, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, ActionProposal) for row in rows]

    async def decisions(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[Decision]:
        """Decisions by id, past ``after``."""
        rows = await self._store.scan(DECISIONS, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, Decision) for row in rows]

    async def decision_on(self, proposal: ActionProposal) -> Decision | None:
        """The decision on one proposal."""
        rows = await self._store.find(DECISIONS, proposal.tenant, "about", proposal.id, limit=1)
        return decode(rows[0].value, Decision) if rows else None

    async def ruling(self, proposal: ActionProposal, *, elsewhere: int = 0) -> Ruling:
        """What the policy would say to it now, itself not counted among what was approved this hour.

        ``elsewhere`` are hosts that others had isolated meanwhile.
        """
        now_ns = self._clock.wall_ns()
        hosts = await self._approved_this_hour(proposal.tenant, now_ns)
        decision = await self.decision_on(proposal)
        counted = (
            decision is not None and decision.outcome is Outcome.APPROVED and within_hour(decision.at_ns, now_ns=now_ns)
        )
        return self._policy.rule(proposal, hosts_this_hour=hosts - counted + elsewhere, now_ns=now_ns)

    async def _respond(self, assessment: Assessment) -> Response:
        proposal = proposal_for(assessment)
        if proposal is None:
            return Response("no action called for")
        async with self._deciding:
            made = await self.decision_on(proposal)
            if made is not None:
                return Response(decision_in_words(proposal, made), proposal, made)
            earlier = await self._earlier(proposal)
            if any(decision.outcome is Outcome.APPROVED for decision in earlier):
                return Response(f"{proposal.action} of {proposal.target} was approved before")
            now_ns = self._clock.wall_ns()
            hosts = await self._approved_this_hour(proposal.tenant, now_ns)
            ruling = self._policy.rule(proposal, hosts_this_hour=hosts, now_ns=now_ns)
            if (
                earlier
                and ruling.outcome is Outcome.REFUSED
                and grounds(ruling.reasons) == grounds(earlier[-1].reasons)
            ):
                return Response(f"{proposal.action} of {proposal.target} stays refused: {'; '.join(ruling.reasons)}")
            authority = self._policy.name
            if ruling.outcome is Outcome.APPROVED and self._approval is not None:
                # Each agent applies the policy itself; what it rests on must not change under their hands.
                approved = await self._approval.approve(
                    proposal, lambda: self._policy.rule(proposal, hosts_this_hour=hosts, now_ns=now_ns)
                )
                ruling = Ruling(approved.outcome, (*ruling.reasons, *approved.reasons))
                authority = f"{authority}, {approved.authority}"
            decision = decision_on(proposal, ruling, authority=authority, at_ns=now_ns)
            await self._decide(proposal, decision)
        return Response(decision_in_words(proposal, decision), proposal, decision)

    async def _earlier(self, proposal: ActionProposal) -> list[Decision]:
        """Decisions on the same action against the same target in the same case, the latest last."""
        rows = await self._store.find(
            PROPOSALS, proposal.tenant, "case", proposal.case, limit=MAX_CASE_PROPOSALS, reverse=True
        )
        same = [p for p in (decode(row.value, ActionProposal) for row in rows) if _question(p) == _question(proposal)]
        decisions = [await self.decision_on(p) for p in same]
        return sorted((d for d in decisions if d is not None), key=lambda decision: (decision.at_ns, decision.id))

    async def _approved_this_hour(self, tenant: TenantId, now_ns: int) -> int:
        times_ns = [
            decode(row.value, Decision).at_ns
            for hour in recent_hours(now_ns)
            for row in await self._store.find(DECISIONS, tenant, "approved_hour", hour, limit=MAX_PAGE_ROWS)
        ]
        return sum(within_hour(at_ns, now_ns=now_ns) for at_ns in times_ns)

    async def _decide(self, proposal: ActionProposal, decision: Decision) -> None:
        action, outcome = proposal.action, decision.outcome.value
        asked = f"{action} of {proposal.target}: {proposal.reason}"
        proposed = waypoint_of(
            proposal,
            room="incidents",
            stage="proposal",
            at_ns=decision.at_ns,
            summary=asked,
            action=action,
            case=proposal.case,
        )
        answer = decision_in_words(proposal, decision)
        decided = waypoint_of(
            decision,
            room="incidents",
            stage="decision",
            at_ns=decision.at_ns,
            summary=answer,
            outcome=outcome,
            policy=decision.authority,
        )
        tenant = proposal.tenant
        index: dict[str, tuple[str, ...]] = {"case": (proposal.case,)}
        found_by = index | {"about": (proposal.id,)}
        if decision.outcome is Outcome.APPROVED:
            found_by["approved_hour"] = (hour_of(decision.at_ns),)
        missions = [
            mission_on(proposal, case=proposal.case, severity=Severity.HIGH, at_ns=decision.at_ns, skill=skill)
            for skill in (self._skills if decision.outcome is Outcome.APPROVED else ())
        ]
        await self._store.commit(
            (
                Put(PROPOSALS, tenant, proposal.id, encode(proposal), index),
                Put(DECISIONS, tenant, decision.id, encode(decision), found_by),
                waypoint_put(proposed),
                waypoint_put(decided),
                *(write for mission in missions for write in writes_of(mission)),
            ),
            expect=(Expect(PROPOSALS, tenant, proposal.id, 0), Expect(DECISIONS, tenant, decision.id, 0)),
        )
        self._feed.publish(proposed)
        self._feed.publish(decided)
        for mission in missions:
            self._feed.publish(creation_waypoint(mission))
        if missions:
            self._on_missions()
        self._decided.labels(action, outcome).inc()
        self._log.info("decided", action=action, target=str(proposal.target), outcome=outcome)

    async def _tell(self, record: Record, actor: str, action: str, *, subject: str, case: str) -> None:
        await self._audit.record(audit_entry(record, actor=actor, action=action, subject=subject, case=case))


def _question(proposal: ActionProposal) -> tuple[str, str, Entity]:
    return proposal.case, proposal.action, proposal.target
