"""The assembly: the nodes of a cluster as one council, each with one voice, whatever its number of agents.

Nodes that joined a cluster and trust each other fix one common epoch (``_assembly_epochs``) and put questions to it
over the bus, sealed end to end. Each judges by its own policy, and a decision takes more than two thirds of all
nodes: the owner of one machine has one voice. Vote keys live in memory: a restarted node counts as a new one, of
which the others hear within seconds, and the next question is put to a new epoch.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from phalanx.consensus import (
    ML_DSA,
    Agreement,
    Archive,
    Checks,
    ConsensusError,
    Council,
    Epoch,
    EpochRefused,
    Evidence,
    Instance,
    Question,
    Seat,
    Wire,
    convict,
    verifier_of,
)
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    Clock,
    InvalidInput,
    Offload,
    Outcome,
    TenantId,
    TraceId,
)
from phalanx.crypto.identity import Identities
from phalanx.incidents import ActionProposal, Approved, Ruling, proposal_bytes
from phalanx.messaging import Bus
from phalanx.node._limits import (
    AGREE_WITHIN_S,
    BEAT_EVERY_S,
    CALL_WITHIN_S,
    MATTER_WITHIN_S,
    MAX_ASSEMBLY_NODES,
    MAX_MATTERS,
    MAX_SITTINGS,
    MIN_NODES,
    PING_WITHIN_S,
    REFIX_AFTER_S,
    REVIEW_WITHIN_S,
)
from phalanx.node.cluster._assembly_epochs import AssemblyEpochs
from phalanx.node.cluster._assembly_mail import AssemblyMail
from phalanx.node.cluster._assembly_minds import Judging, Minds
from phalanx.node.cluster._assembly_wire import AssemblyTransport
from phalanx.node.cluster._assembly_words import (
    Answer,
    Call,
    Caught,
    Draft,
    Matter,
    Ping,
    Pong,
    Settled,
    Voice,
    Word,
)
from phalanx.node.council._chamber import APPROVE, REFUSE
from phalanx.telemetry import Telemetry

_OPTIONS = (APPROVE, REFUSE)


@dataclass(frozen=True, slots=True)
class _Sitting:
    """This node's seat in one epoch, for as long as ``running`` runs."""

    epoch: Epoch
    council: Council
    transport: AssemblyTransport
    running: "asyncio.Task[None]"
    since_ns: int

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.epoch.places)


@dataclass(frozen=True, slots=True)
class AssemblyState:
    """The assembly as this node sees it. ``epoch`` is the one that a question would be put to now, if there is one."""

    roster: frozenset[str]
    present: frozenset[str]
    epoch: Epoch | None


class Assembly:
    """See the module. Implements ``incidents.Approval``; ``run`` is to run for as long as the node does.

    ``others`` are the nodes that this one has met. Of those who are present, the first by name sees to it that there
    is an epoch before there is a question.
    """

    def __init__(
        self, bus: Bus, others: Callable[[], Iterable[str]], identities: Identities, archive: Archive, *,
        clock: Clock, offload: Offload, alerts: AlertSink, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._process, self._others = bus.process, others
        self._archive, self._clock, self._alerts = archive, clock, alerts
        self._mail = AssemblyMail(bus, lambda: self.roster, clock=clock, telemetry=telemetry)
        self._epochs = AssemblyEpochs(
            bus.process, identities, archive, clock=clock, offload=offload, alerts=alerts
        )  # fmt: skip
        self._minds = Minds(archive, clock)
        self._sittings: OrderedDict[bytes, _Sitting] = OrderedDict()
        self._matters: OrderedDict[bytes, tuple[TenantId, TraceId]] = OrderedDict()
        self._not_before_ns = 0
        self._turn, self._seating = asyncio.Lock(), asyncio.Lock()
        metrics = telemetry.metrics
        self._asked = metrics.counter(
            "phalanx_assembly_agreements_total", "Questions put to the nodes of the cluster, by outcome.", ("outcome",)
        )
        self._seconds = metrics.histogram(
            "phalanx_assembly_agreement_seconds", "From a question to the nodes' decision, epoch included."
        )

    def judges_by(self, judge: Judging) -> None:
        """How this node's policy rules on what others propose; until then it has no opinion."""
        self._minds.judge = judge

    @property
    def roster(self) -> frozenset[str]:
        """Everybody who belongs to the assembly, as this node knows it."""
        return frozenset([*sorted(self._others())[: MAX_ASSEMBLY_NODES - 1], self._process])

    def state(self) -> AssemblyState:
        usable = self._usable()
        return AssemblyState(self.roster, self.present, None if usable is None else usable.epoch)

    @property
    def present(self) -> frozenset[str]:
        """Who of them was heard lately, and is not convicted of anything."""
        return self._mail.present - self._epochs.convicted

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._mail.read(self._said, self._datagram))
                tasks.create_task(self._mail.beat(lambda: tuple(self._sittings)))
                tasks.create_task(self._keep_ready())
        finally:
            for one in self._sittings.values():
                one.running.cancel()
            self._sittings.clear()

    async def _keep_ready(self) -> None:
        """See to it that there is an epoch of those who are present, once nobody has come or gone for a beat."""
        before: frozenset[str] = frozenset()
        while True:
            await self._clock.sleep(BEAT_EVERY_S)
            present, is_due = self.present, self._clock.monotonic_ns() >= self._not_before_ns
            is_steady, before = present == before, present
            if is_due and is_steady and len(present) >= MIN_NODES and self._process == min(present):
                with contextlib.suppress(ConsensusError, InvalidInput):
                    await self._seated()

    async def approve(self, proposal: ActionProposal, rule: Callable[[], Ruling]) -> Approved:
        """Put the proposal to the nodes; without their agreement the outcome is indeterminate."""
        shown = proposal_bytes(proposal)
        context = hashlib.sha256(shown).digest()
        question = Question(_OPTIONS, context, f"{proposal.action} of {proposal.target}"[:120])
        began_ns = self._clock.monotonic_ns()
        async with self._turn:
            self._minds.make_up(context, rule().outcome)
            self._matters[context] = proposal.tenant, proposal.trace
            while len(self._matters) > MAX_MATTERS:
                self._matters.popitem(last=False)
            try:
                sitting = await self._seated()
                await self._mail.ask_all(sitting.names, Matter(shown), MATTER_WITHIN_S, Pong)
                deadline_ns = self._clock.wall_ns() + round(AGREE_WITHIN_S * NS_PER_S)
                answer = await sitting.council.propose(question, deadline_ns=deadline_ns)
            except (ConsensusError, InvalidInput) as error:
                return self._undecided(error.message)
        if not isinstance(answer, Agreement):
            return self._undecided(answer.reason)
        self._asked.labels(answer.option).inc()
        self._seconds.observe((self._clock.monotonic_ns() - began_ns) / NS_PER_S)
        told = f"agreed: {answer.weight} of {answer.instance.total} nodes for {answer.option!r}"
        outcome = Outcome.APPROVED if answer.option == APPROVE else Outcome.REFUSED
        return Approved(outcome, f"nodes of epoch {answer.instance.epoch.number}", (told,))

    def _undecided(self, reason: str) -> Approved:
        self._asked.labels("indeterminate").inc()
        self._alerts.alert(AlertLevel.WARNING, "node", "nodes did not agree on an action", reason=reason)
        return Approved(Outcome.INDETERMINATE, "nodes asked", (f"no agreement: {reason}; a person must decide",))

    async def _seated(self) -> _Sitting:
        """A sitting of exactly those who are here now. Raises ``ConsensusError`` and ``InvalidInput``."""
        async with self._seating:
            return self._usable() or await self._fixed()

    def _usable(self) -> _Sitting | None:
        """The newest epoch in which everybody who is present sits, whoever fixed it."""
        present = self.present
        for sitting in sorted(self._sittings.values(), key=lambda one: one.epoch.at_ns, reverse=True):
            others = sitting.names - {self._process}
            sit = all(self._mail.may_sit(one, sitting.epoch.id, sitting.since_ns) for one in others)
            if sitting.names == present and sit:
                return sitting
        return None

    async def _fixed(self) -> _Sitting:
        self._not_before_ns = self._clock.monotonic_ns() + round(REFIX_AFTER_S * NS_PER_S)
        roster = self.roster
        own = await self._epochs.voice(self._process)
        called = await self._mail.ask_all(self.present, Call(), CALL_WITHIN_S, Voice)
        voices = [own, *(voice for name, voice in called.items() if voice.participant.name == name)]
        epoch, shown = await self._epochs.proposed(roster, voices, self._mail.heard())
        answers = await self._mail.ask_all(roster, shown, REVIEW_WITHIN_S, Answer)
        answers[self._process] = await self._review(self._process, shown)
        settled = await self._epochs.settle(epoch, shown, answers, roster)
        sitting = self._sit(self._process, epoch)
        if sitting is None:
            raise EpochRefused("the node that proposed it is not in it")
        await self._mail.ask_all(roster, settled, REVIEW_WITHIN_S, Pong)
        return sitting

    async def _review(self, proposer: str, shown: Draft) -> Answer:
        async def responds(name: str) -> bool:
            return await self._mail.ask(name, Ping(), PING_WITHIN_S, Pong) is not None

        return await self._epochs.reviewed(proposer, shown, self.roster, self._mail.heard(), responds)

    def _sit(self, proposer: str, epoch: Epoch) -> _Sitting | None:
        """Take this node's seat; None when it has none in ``epoch``."""
        signer = self._epochs.signer(proposer, epoch)
        if signer is None:
            return None
        known = self._sittings.get(epoch.id)
        if known is not None:
            return known
        transport = AssemblyTransport(self._mail.box, epoch.id, self._clock)
        homes = {place: one.name for place, one in enumerate(epoch.participants)}
        council = Council(
            epoch, {self._process: Seat(signer, self._minds)}, verifier_of(ML_DSA), clock=self._clock,
            wire=Wire(transport, homes), on_agreed=self._keep, on_evidence=self._convict,
        )  # fmt: skip
        running = asyncio.create_task(council.run(), name=f"assembly of epoch {epoch.number}")
        made = self._sittings[epoch.id] = _Sitting(epoch, council, transport, running, self._clock.wall_ns())
        while len(self._sittings) > MAX_SITTINGS:
            _, oldest = self._sittings.popitem(last=False)
            oldest.running.cancel()
        return made

    async def _keep(self, agreement: Agreement) -> None:
        tenant, trace = self._matters.get(agreement.instance.question.context, (DEFAULT_TENANT, NO_TRACE))
        await self._archive.keep(tenant, trace, agreement)

    async def _convict(self, instance: Instance, evidence: Evidence) -> None:
        """Record it, tell the others, and let the culprit into no later epoch."""
        culprit = instance.epoch.participants[evidence.culprit].name
        if culprit in self._epochs.convicted:
            return
        self._epochs.convicted.add(culprit)
        await self._archive.convict(DEFAULT_TENANT, instance, evidence)
        self._alerts.alert(
            AlertLevel.URGENT, "node", "a node was convicted of misbehaviour", process=culprit, what=evidence.summary
        )
        word = Caught(instance.epoch.id, instance.question, evidence.to_bytes())
        await self._mail.ask_all(frozenset(instance.epoch.places), word, MATTER_WITHIN_S, Pong)

    async def _said(self, source: str, word: Word) -> Word | None:
        """What this node answers; None when nothing, which says enough."""
        match word:
            case Ping():
                return Pong()
            case Call():
                return await self._epochs.voice(source)
            case Draft():
                return await self._review(source, word)
            case Settled():
                epoch = await self._epochs.take(source, word, self.roster)
                return Pong() if self._sit(source, epoch) is not None else None
            case Matter(shown):
                return Pong() if await self._minds.consider(shown) else None
            case Caught(epoch_id, question, evidence):
                await self._check(epoch_id, question, Evidence.from_bytes(evidence))
                return Pong()
        return None

    def _datagram(self, source: str, epoch: bytes, datagram: bytes) -> None:
        sitting = self._sittings.get(epoch)
        if sitting is not None:
            sitting.transport.put(source, datagram)

    async def _check(self, epoch_id: bytes, question: Question, evidence: Evidence) -> None:
        """Evidence that another node shows; raises ``EvidenceRefused`` when it convicts nobody."""
        sitting = self._sittings.get(epoch_id)
        if sitting is None:
            return
        instance = Instance(sitting.epoch, question)
        convict(Checks(instance, verifier_of(ML_DSA)), evidence)
        await self._convict(instance, evidence)
