"""How the nodes of a cluster arrive at one epoch: who is in it, who says so, and who objects.

A node proposes; everybody else compares the draft with whom it heard itself and answers with the key of its
identity, exactly as agents do (``consensus._membership``). What is different between nodes is that nobody's word
stands for another's:

- the root of a vote key counts only with a signature by the identity it belongs to, which everybody checks for
  itself;
- a node that finds itself in a draft with a vote key that it did not offer refuses it;
- before it agrees to leave a node out, each node asks that node itself;
- the draft's time must be within seconds of everybody's own, so that no clock can make a node look silent;
- a fixed epoch comes with everybody's answers, and each node counts them again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from phalanx.consensus import (
    ML_DSA,
    Acceptance,
    Archive,
    Assent,
    Epoch,
    EpochRefused,
    EpochSeal,
    Heard,
    MlDsaVotes,
    Objection,
    Participant,
    UnjustFilter,
    answer,
    draft,
    fix,
)
from phalanx.core import NS_PER_S, AlertLevel, AlertSink, Clock, InvalidInput, Offload
from phalanx.crypto import CryptoError, InvalidSignature, VerifyingKey
from phalanx.crypto.identity import Chain, Identities, Use, Verified, require_signature
from phalanx.messaging import subject_of
from phalanx.node._limits import ASSEMBLY_CLOCK_S, MAX_OFFERED_VOICES, TOLD_AGAIN_S
from phalanx.node.cluster._assembly_words import Answer, Draft, Settled, Voice

_PURPOSE = "assembly voice"


@dataclass(frozen=True, slots=True)
class _Roll:
    """An epoch's members as one node knows them: keys are of those who proved who they are."""

    roster: tuple[Participant, ...]
    keys: Mapping[str, VerifyingKey]
    false: frozenset[str]


class AssemblyEpochs:
    """See the module. ``convicted`` are those against whom there was evidence."""

    def __init__(
        self, process: str, identities: Identities, archive: Archive, *, clock: Clock, offload: Offload,
        alerts: AlertSink,
    ) -> None:  # fmt: skip
        self._process = process
        self._identities = identities
        self._archive = archive
        self._clock = clock
        self._offload = offload
        self._alerts = alerts
        self._offered: dict[str, OrderedDict[bytes, MlDsaVotes]] = {}
        self.convicted: set[str] = set()
        self._told = ("", 0)

    async def voice(self, proposer: str) -> Voice:
        """A vote key that nobody has seen, offered to ``proposer`` for an epoch to come."""
        signer = await self._offload.run(MlDsaVotes.generate)
        node = self._identities.node
        participant = Participant(self._process, node.fingerprint, signer.root)
        signature = await self._offload.run(lambda: node.sign(_bound(participant), purpose=_PURPOSE))
        offered = self._offered.setdefault(proposer, OrderedDict())
        offered[signer.root] = signer
        while len(offered) > MAX_OFFERED_VOICES:
            offered.popitem(last=False)
        return Voice(participant, node.chain.to_bytes(), signature)

    def signer(self, proposer: str, epoch: Epoch) -> MlDsaVotes | None:
        """What this node votes with in an epoch of ``proposer``; None when it is left out."""
        place = epoch.places.get(self._process)
        offered = self._offered.get(proposer)
        return None if place is None or offered is None else offered.get(epoch.participants[place].root)

    async def proposed(
        self, names: Collection[str], voices: Sequence[Voice], heard: Mapping[str, Heard]
    ) -> tuple[Epoch, Draft]:
        """The epoch that follows from who answered. Raises ``EpochRefused`` and ``TooFewParticipants``."""
        spoken = {one.participant.name: one for one in voices}
        roster = [spoken[name].participant if name in spoken else _silent(name) for name in sorted(names)]
        seen = {name: Heard(one.at_ns, responsive=name in spoken) for name, one in heard.items()}
        for name, voice in spoken.items():
            if await self._verified(name, voice) is None:
                seen[name] = Heard(seen[name].at_ns, authentic=False)
        epoch = draft(
            roster, seen, number=await self._archive.next_number(), votes=ML_DSA,
            fixed_by=str(self._identities.node.subject), now_ns=self._clock.wall_ns(), convicted=self.convicted,
        )  # fmt: skip
        kept = tuple(spoken[one.name] for one in epoch.participants)
        return epoch, Draft(epoch.to_bytes(), kept)

    async def reviewed(
        self, proposer: str, shown: Draft, names: Collection[str], heard: Mapping[str, Heard],
        responds: Callable[[str], Awaitable[bool]],
    ) -> Answer:  # fmt: skip
        """What this node says to a draft. ``responds`` asks a member itself whether it is there."""
        try:
            epoch = Epoch.from_bytes(shown.epoch)
            self._require_sound(proposer, epoch)
            roll = await self._roll(epoch, shown.voices, names)
        except EpochRefused as error:
            return Answer(refused=error.reason)
        seen = dict(heard)
        for one in epoch.left_out:
            last = seen.get(one.name)
            if last is not None and not await responds(one.name):
                seen[one.name] = Heard(last.at_ns, responsive=False)
        for name in roll.false:
            seen[name] = Heard(epoch.at_ns, authentic=False)
        node = self._identities.node
        try:
            said = await self._offload.run(
                answer, epoch, roll.roster, seen, member=self._process, key=node.key,
                now_ns=self._clock.wall_ns(), convicted=self.convicted,
            )  # fmt: skip
        except EpochRefused as error:
            return Answer(refused=error.reason)
        chain = node.chain.to_bytes()
        if isinstance(said, Acceptance):
            return Answer(chain, acceptance=said.signature)
        return Answer(chain, objections=tuple(said))

    async def settle(
        self, epoch: Epoch, shown: Draft, answers: Mapping[str, Answer], names: Collection[str]
    ) -> Settled:
        """Fix an epoch of this node's own making, on record. Raises ``EpochRefused`` and ``UnjustFilter``."""
        seal = await self._offload.run(EpochSeal.of, epoch, self._identities.node)
        settled = Settled(shown.epoch, shown.voices, seal.chain, seal.signature, dict(answers))
        await self._added_up(epoch, settled, seal, names)
        return settled

    async def take(self, proposer: str, settled: Settled, names: Collection[str]) -> Epoch:
        """An epoch that another node fixed, once everything about it holds; on record. Raises ``EpochRefused``."""
        epoch = Epoch.from_bytes(settled.epoch)
        self._require_sound(proposer, epoch)
        seal = EpochSeal(settled.chain, settled.seal)
        await self._offload.run(lambda: seal.check(epoch, anchors=set(self._identities.anchors)))
        await self._added_up(epoch, settled, seal, names)
        return epoch

    async def _added_up(self, epoch: Epoch, settled: Settled, seal: EpochSeal, names: Collection[str]) -> Assent:
        """Whether enough accept ``epoch``, recorded either way."""
        roll = await self._roll(epoch, settled.voices, names)
        keys, chains = dict(roll.keys), {}
        acceptances: list[Acceptance] = []
        objections: list[Objection] = []
        for name, said in settled.answers.items():
            verified = await self._whose(name, said.chain) if said.acceptance or said.objections else None
            if verified is None or name in self.convicted or name not in names:
                continue  # it says nothing, or nothing that counts
            keys[name] = verified.key
            held = [one for one in said.objections if _is_signed(verified, epoch, name, one)]
            objections += held
            if held:
                chains[name] = said.chain
            elif not said.objections and _holds(verified.key, Acceptance.statement(epoch), said.acceptance):
                acceptances.append(Acceptance(name, said.acceptance))
        try:
            assent = await self._offload.run(
                fix, epoch, roll.roster, keys, acceptances, objections, convicted=self.convicted
            )
        except EpochRefused as error:
            told = sorted({one.refused for one in settled.answers.values() if one.refused})
            reason = "; ".join((error.reason, *told))
            await self._archive.keep_epoch(
                epoch, seal, accepted=0, refused=reason, objections=objections, chains=chains
            )
            level = AlertLevel.URGENT if isinstance(error, UnjustFilter) else AlertLevel.WARNING
            self._tell(level, epoch, reason)
            raise EpochRefused(reason, hint=error.hint) from error
        await self._archive.keep_epoch(epoch, seal, accepted=assent.weight, objections=assent.objections, chains=chains)
        return assent

    def _tell(self, level: AlertLevel, epoch: Epoch, reason: str) -> None:
        """Alert people, once for as long as the reason is the same: an epoch is proposed anew every few seconds."""
        last, at_ns = self._told
        now_ns = self._clock.wall_ns()
        if reason != last or now_ns - at_ns >= TOLD_AGAIN_S * NS_PER_S:
            self._told = reason, now_ns
            self._alerts.alert(level, "node", "nodes do not accept an epoch", epoch=epoch.number, reason=reason)

    def _require_sound(self, proposer: str, epoch: Epoch) -> None:
        """What a draft has to be before anything is compared; raises ``EpochRefused``."""
        if epoch.fixed_by != subject_of(proposer):
            raise EpochRefused(f"{proposer} proposes it in the name of {epoch.fixed_by}")
        if epoch.votes != ML_DSA:
            raise EpochRefused(f"nodes vote with {ML_DSA}, not with {epoch.votes[:40]!r}")
        away_s = abs(self._clock.wall_ns() - epoch.at_ns) / NS_PER_S
        if away_s > ASSEMBLY_CLOCK_S:
            raise EpochRefused(f"its time is {away_s:.0f} s from {self._process}'s own", hint="see to the clocks")
        if self._process in epoch.places and self.signer(proposer, epoch) is None:
            raise EpochRefused(f"it has a vote key for {self._process} that it did not offer")

    async def _roll(self, epoch: Epoch, voices: Sequence[Voice], names: Collection[str]) -> _Roll:
        """Who everybody on this node's own roster is; raises ``EpochRefused`` when it is another roster."""
        members = set(epoch.places) | {one.name for one in epoch.left_out}
        if members != set(names):
            differ = ", ".join(sorted(members ^ set(names))[:3])
            raise EpochRefused(
                f"{self._process} has another roster, which differs in {differ}",
                hint="nodes of one assembly must all trust each other: `phalanx cluster status` lists strangers",
            )
        spoken = {one.participant.name: one for one in voices}
        keys: dict[str, VerifyingKey] = {}
        false: set[str] = set()
        for one in epoch.participants:
            voice = spoken.get(one.name)
            verified = await self._verified(one.name, voice) if voice is not None and voice.participant == one else None
            if verified is None:
                false.add(one.name)
            else:
                keys[one.name] = verified.key
        left = [_silent(one.name) for one in epoch.left_out]
        return _Roll((*epoch.participants, *left), keys, frozenset(false))

    async def _verified(self, name: str, voice: Voice) -> Verified | None:
        """Whose voice it is; None unless it is that of the node called ``name``, of weight one."""
        participant = voice.participant
        verified = await self._whose(name, voice.chain)
        if verified is None or participant.name != name or participant.weight != 1:
            return None
        if participant.identity != verified.fingerprint:
            return None
        try:
            await self._offload.run(
                lambda: require_signature(verified, _bound(participant), voice.signature, purpose=_PURPOSE)
            )
        except CryptoError:
            return None
        return verified

    async def _whose(self, name: str, chain: bytes) -> Verified | None:
        """The identity of the node called ``name``, if ``chain`` proves it here."""
        try:
            verified = await self._identities.verify(Chain.from_bytes(chain), use=Use.SIGN)
            return verified if str(verified.subject) == subject_of(name) else None
        except (CryptoError, InvalidInput):
            return None


def _silent(name: str) -> Participant:
    """A member of the roster that offers no voice."""
    return Participant(name, "", b"")


def _is_signed(verified: Verified, epoch: Epoch, name: str, shown: Objection) -> bool:
    """Whether the node called ``name`` says this. What does not hold is left aside: one liar must not stop the rest."""
    statement = Objection.statement(epoch, shown.about, shown.wrong)
    return shown.member == name and _holds(verified.key, statement, shown.signature)


def _holds(key: VerifyingKey, statement: bytes, signature: bytes) -> bool:
    try:
        key.verify(statement, signature)
    except InvalidSignature:
        return False
    return True


def _bound(participant: Participant) -> bytes:
    return b"\x00".join((participant.name.encode(), participant.identity.encode(), participant.root))
