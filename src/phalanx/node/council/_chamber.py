"""The agents of a node as a council: their epoch, their vote keys, and the questions put to them.

An epoch is fixed (``_convening``) when the first question comes, and again whenever the agents have changed or
others of them are heard. Agents' vote keys live in memory, like their identities: a restarted agent is a new one.

Agents of one node share its fate. Together they withstand that some of them are subverted in what they say, but not
that the machine is.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from phalanx.agents import AgentState, Role, Swarm
from phalanx.consensus import (
    ML_DSA,
    WOTS,
    Agreement,
    Archive,
    ConsensusError,
    Council,
    Evidence,
    Instance,
    MlDsaVotes,
    Participant,
    Question,
    Seat,
    verifier_of,
)
from phalanx.consensus.votes import VoteKeys
from phalanx.core import (
    DEFAULT_TENANT,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    Clock,
    InvalidInput,
    NotFound,
    Offload,
    Outcome,
    Store,
)
from phalanx.crypto.identity import Identities, Identity, Why
from phalanx.crypto.vault import Vault
from phalanx.incidents import ActionProposal, Approved, Ruling, proposal_bytes
from phalanx.node._limits import AGREE_WITHIN_S, AGREEMENT_LEAVES, MAX_ML_DSA_VOTERS
from phalanx.node._ports import Ports
from phalanx.node.council._convening import Convening, SwarmHearing
from phalanx.node.council._vote_keys import VoteKeyShelf
from phalanx.telemetry import Telemetry

APPROVE, REFUSE = "approve", "refuse"
_OPTIONS = (APPROVE, REFUSE)


class _Opinions:
    """How each agent judges what is asked at the moment: by the rule that came with it, and else not at all."""

    def __init__(self) -> None:
        self._rules: dict[bytes, Callable[[], Ruling]] = {}

    def put(self, context: bytes, rule: Callable[[], Ruling]) -> None:
        self._rules[context] = rule

    def drop(self, context: bytes) -> None:
        self._rules.pop(context, None)

    def accepts(self, question: Question, support: Sequence[int]) -> Collection[int]:  # noqa: ARG002 - a judge's
        rule = self._rules.get(question.context)
        if rule is None:
            return ()
        wanted = APPROVE if rule().outcome is Outcome.APPROVED else REFUSE
        return (question.options.index(wanted),)


@dataclass(frozen=True, slots=True)
class _Sitting:
    """A council and the agents that it was made of."""

    council: Council
    identities: tuple[str, ...]
    absent: frozenset[str]
    signers: tuple[VoteKeys, ...]


class Chamber:
    """See the module. Implements ``incidents.Approval``."""

    def __init__(
        self,
        swarm: Swarm,
        identities: Identities,
        archive: Archive,
        *,
        store: Store,
        vault: Vault,
        ports: Ports,
        telemetry: Telemetry,
        alerts: AlertSink,
        votes: str,
    ) -> None:
        self._swarm = swarm
        self._identities = identities
        self._clock: Clock = ports.clock
        self._offload: Offload = ports.offload
        self._shelf = VoteKeyShelf(store, vault, ports)
        self._alerts = alerts
        self._votes = votes
        self._opinions = _Opinions()
        self._sitting: _Sitting | None = None
        self._turn = asyncio.Lock()
        hearing = SwarmHearing(swarm)
        self._convening = Convening(
            identities, archive, hearing, clock=ports.clock, offload=ports.offload, alerts=alerts
        )
        self.archive = archive
        metrics = telemetry.metrics
        self._asked = metrics.counter("phalanx_agreements_total", "Questions put to agents, by outcome.", ("outcome",))
        self._seconds = metrics.histogram("phalanx_agreement_seconds", "From a question to the agents' decision.")

    async def run(self) -> None:
        """Until cancelled: make what votes take before anybody asks."""

        def voters() -> Sequence[str]:
            present = self._present()
            return [name for name, _ in present] if self._kind(len(present)) == WOTS else ()

        await self._shelf.run(voters)

    async def approve(self, proposal: ActionProposal, rule: Callable[[], Ruling]) -> Approved:
        """Put the proposal to the agents; without their agreement the outcome is indeterminate."""
        context = hashlib.sha256(proposal_bytes(proposal)).digest()
        about = f"{proposal.action} of {proposal.target}"[:120]
        question = Question(_OPTIONS, context, about)
        began_ns = self._clock.monotonic_ns()
        async with self._turn:
            self._opinions.put(context, rule)
            try:
                answer = await self._ask(question)
            except (ConsensusError, InvalidInput) as error:
                answer = error.message
            finally:
                self._opinions.drop(context)
            if isinstance(answer, Agreement):
                await self.archive.keep(proposal.tenant, proposal.trace, answer)
        if not isinstance(answer, Agreement):
            self._asked.labels("indeterminate").inc()
            self._alerts.alert(AlertLevel.WARNING, "node", "agents did not agree on an action", reason=answer)
            reason = f"no agreement: {answer}; a person must decide"
            return Approved(Outcome.INDETERMINATE, "agents asked", (reason,))
        self._asked.labels(answer.option).inc()
        self._seconds.observe((self._clock.monotonic_ns() - began_ns) / NS_PER_S)
        told = f"agreed: weight {answer.weight} of {answer.instance.total} agents for {answer.option!r}"
        outcome = Outcome.APPROVED if answer.option == APPROVE else Outcome.REFUSED
        return Approved(outcome, f"agents of epoch {answer.instance.epoch.number}", (told,))

    async def _ask(self, question: Question) -> Agreement | str:
        sitting = await self._seated()
        await self._shelf.reserve(AGREEMENT_LEAVES)
        running = asyncio.create_task(sitting.council.run(), name="council")
        try:
            deadline_ns = self._clock.wall_ns() + int(AGREE_WITHIN_S * NS_PER_S)
            answer = await sitting.council.propose(question, deadline_ns=deadline_ns)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._shelf.stir()
        return answer if isinstance(answer, Agreement) else answer.reason

    async def _seated(self) -> _Sitting:
        """The council of the agents that there are now. Raises ``ConsensusError`` and ``InvalidInput``."""
        agents = self._present()
        identities = tuple(identity.fingerprint for _, identity in agents)
        absent = self._convening.absent([name for name, _ in agents])
        sitting = self._sitting
        if (
            sitting is not None
            and (sitting.identities, sitting.absent) == (identities, absent)
            and self._have_leaves(sitting)
        ):
            return sitting
        number = await self.archive.next_number()
        kind = self._kind(len(agents))
        signers = [await self._keys(name, kind) for name, _ in agents]
        roster = [
            Participant(name, identity.fingerprint, signer.root)
            for (name, identity), signer in zip(agents, signers, strict=True)
        ]
        # Those before are done with, whatever comes of the next epoch.
        self._sitting = None
        await self._shelf.use([signer for signer in signers if isinstance(signer, VoteKeys)])
        epoch = await self._convening.epoch(roster, dict(agents), number=number, votes=kind)
        seats = {
            one.name: Seat(signer, self._opinions)
            for one, signer in zip(roster, signers, strict=True)
            if one.name in epoch.places
        }
        council = Council(epoch, seats, verifier_of(kind), clock=self._clock, on_evidence=self._convict)
        limited = tuple(seat.signer for seat in seats.values() if isinstance(seat.signer, VoteKeys))
        self._sitting = _Sitting(council, identities, absent, limited)
        return self._sitting

    def _present(self) -> list[tuple[str, Identity]]:
        """Analysts whose identity stands: the other roles look and do not vote, whatever skills they are given."""
        seats = self._identities.seats
        found = [
            (view.id, identity)
            for view in self._swarm.roster()
            if view.role is Role.ANALYST
            and view.state is not AgentState.STOPPED
            and (identity := seats.identity(view.id)) is not None
        ]
        return [(name, identity) for name, identity in found if seats.admitted(name)]

    async def _keys(self, name: str, kind: str) -> MlDsaVotes | VoteKeys:
        if kind == ML_DSA:
            return await self._offload.run(MlDsaVotes.generate)
        return await self._shelf.take(name)

    def _kind(self, voters: int) -> str:
        """What as many vote with."""
        if self._votes != "auto":
            return self._votes
        return ML_DSA if voters <= MAX_ML_DSA_VOTERS else WOTS

    def _have_leaves(self, sitting: _Sitting) -> bool:
        return all(signer.left >= AGREEMENT_LEAVES for signer in sitting.signers)

    async def _convict(self, instance: Instance, evidence: Evidence) -> None:
        """Record it, and take the culprit's identity away: it is out of the swarm and of every later epoch."""
        culprit = instance.epoch.participants[evidence.culprit]
        self._convening.convicted.add(culprit.name)
        await self.archive.convict(DEFAULT_TENANT, instance, evidence)
        self._alerts.alert(
            AlertLevel.URGENT,
            "node",
            "an agent was convicted of misbehaviour",
            agent=culprit.name,
            what=evidence.summary,
        )
        try:
            await self._identities.revoke(
                culprit.identity, Why.KEY_COMPROMISED, actor="consensus", note=evidence.summary
            )
        except NotFound:
            return
