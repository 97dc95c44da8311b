"""What a bus has to do with other processes: it announces its members, passes emergencies on, owns the links.

An emergency goes from its sender's process to every process directly, over primary and backup path, and each process
that gets it passes it on to its neighbours in a random regular graph. Whoever got it from a neighbour tells the
sender's process so, which may not be able to reach it itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import Clock, InvalidInput, LimitExceeded, PhalanxError, Rng, WireError
from phalanx.messaging._arrivals import Arrivals, Delivery
from phalanx.messaging._desk import Desk
from phalanx.messaging._directory import Directory, Resolved
from phalanx.messaging._envelope import Envelope, decode_envelope, proved_bytes
from phalanx.messaging._errors import Malformed
from phalanx.messaging._kinds import Kind, Outcome, Recipients, outcome_of
from phalanx.messaging._limits import ANNOUNCE_EVERY_S, FLOOD_DEGREE, FLOOD_HOPS
from phalanx.messaging._links import Links
from phalanx.messaging._marking import Marking
from phalanx.messaging._member import Member
from phalanx.messaging._outbox import Outbox, Sent
from phalanx.messaging._overlay import Graph, regular_graph
from phalanx.messaging._peers import Peers
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._proofs import Proofs
from phalanx.messaging._readership import may_carry
from phalanx.messaging._receipt import Place, Receipt
from phalanx.messaging._survey import KINDS as SURVEY_KINDS
from phalanx.messaging._survey import Surveyor
from phalanx.telemetry import Telemetry


class _Announced(msgspec.Struct, frozen=True, array_like=True, gc=False):
    agent: str
    tags: tuple[str, ...]
    tenants: tuple[str, ...]
    clearance: Marking
    organisation: str


class _Far(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How an emergency ended at a process that got it from a neighbour."""

    origin: str
    number: int
    taken: int
    refused: tuple[tuple[str, int], ...]


_encoder = msgspec.msgpack.Encoder()
_announcements = msgspec.msgpack.Decoder(tuple[_Announced, ...])
_fars = msgspec.msgpack.Decoder(_Far)

Word = Callable[[Kind, bytes], Envelope]


@dataclass(frozen=True, slots=True)
class _Outlet:
    """A link as a place to wait at."""

    address: str
    envelope: Envelope
    links: Links

    async def wait_for_room(self, receipt: Receipt) -> None:
        await self.links.wait_for_room(self.address, receipt, self.envelope)


class Abroad:
    """See the module. ``word`` makes an envelope from this process itself to another."""

    def __init__(
        self,
        peers: Peers,
        origin: str,
        organisation: str,
        *,
        clock: Clock,
        rng: Rng,
        desk: Desk,
        directory: Directory,
        telemetry: Telemetry,
        word: Word,
        outbox: Outbox | None,
        proofs: Proofs | None,
    ) -> None:
        self._directory, self._desk, self._clock = directory, desk, clock
        self._origin, self._word, self._proofs = origin, word, proofs
        self._organisation = organisation
        self._organisations: dict[str, str] = {}
        self._log = telemetry.log.bind(room="messaging")
        self._graph: tuple[tuple[str, ...], Graph] = ((), {})
        self._is_changed = False
        self._announced: dict[str, tuple[str, int]] = {}
        self.links = Links(
            peers, origin, clock=clock, rng=rng, desk=desk, telemetry=telemetry, met=self._met, outbox=outbox
        )
        self.links.bind(
            Arrivals(
                directory, desk, organisation, settle=self._settle, took=self.links.took, for_bus=self._hear,
                pass_on=self._pass_on, organisation_of=self.organisation_of, proofs=proofs,
            )
        )  # fmt: skip
        self.surveyor = Surveyor(directory.process, clock, self._say, lambda: self.links.processes)

    def meet(self, process: str, organisation: str) -> None:
        """Talk to ``process``, which is of ``organisation`` and is believed only what that organisation says."""
        self._organisations[process] = organisation
        self.links.meet(process)

    def part(self, process: str) -> None:
        """``process`` will not come back: end what is on the way to it, and forget its members."""
        self._directory.lose(process)
        self._announced.pop(process, None)
        self.links.part(process)

    def organisation_of(self, process: str) -> str:
        """The organisation that a process is known to be of."""
        return self._organisations.get(process, self._organisation)

    def changed(self) -> None:
        """Members came or went; the others are told soon, of all changes together."""
        self._is_changed = True

    def _prepared(self, envelope: Envelope) -> Envelope:
        """An emergency as others may pass it on."""
        if self._proofs is None or not self.links.processes:
            return envelope
        proof = self._proofs.prove(proved_bytes(envelope))
        return msgspec.structs.replace(envelope, hops=FLOOD_HOPS, proof=proof)

    def bar(self, envelope: Envelope, resolved: Resolved) -> None:
        """Leave out the processes whose organisation may not have the envelope."""
        for process in [one for one in resolved.processes if not may_carry(envelope, self.organisation_of(one))]:
            del resolved.processes[process]
            resolved.barred.append(process)

    def post(self, envelope: Envelope, processes: Sequence[str], receipt: Receipt) -> list[Place]:
        """Send to other processes. Returns those that there is no room for now."""
        if POLICIES[envelope.kind].recipients is Recipients.EVERYONE:
            envelope = self._prepared(envelope)
        return [
            _Outlet(process, envelope, self.links)
            for process in processes
            if not self.links.post(process, envelope, receipt)
        ]

    def post_one(self, envelope: Envelope, process: str, receipt: Receipt) -> Sequence[Place]:
        """As ``post``, to one process, of what is not for everybody."""
        return () if self.links.post(process, envelope, receipt) else (_Outlet(process, envelope, self.links),)

    def resume(self, left: Sequence[Sent], outbox: Outbox) -> None:
        """Send on what an earlier incarnation did not see arrive."""
        for sent in left:
            try:
                self.links.resume(decode_envelope(sent.data), sent)
            except (WireError, LimitExceeded) as error:
                self._log.warning("a record of the outbox cannot be sent", process=sent.process, error=str(error))
                outbox.end(sent)

    def _say(self, process: str, kind: Kind, body: bytes) -> None:
        """A word from this process itself; lost when there is no room for it."""
        self.links.post(process, self._word(kind, body), None)

    async def announce(self) -> None:
        """Tell the others about members, while there are changes. Until cancelled."""
        while True:
            await self._clock.sleep(ANNOUNCE_EVERY_S)
            if self._is_changed:
                self._is_changed = False
                for process in self.links.processes:
                    self._announce_to(process)

    def _met(self, process: str) -> None:
        self._announce_to(process)

    def _announce_to(self, process: str) -> None:
        members = [box.member for box in self._directory.boxes.values()]
        listed = [
            _Announced(one.agent, tuple(sorted(one.tags)), tuple(sorted(one.tenants)), one.clearance, one.organisation)
            for one in members
        ]
        envelope = self._word(Kind.DISCOVERY, _encoder.encode(listed))
        if not self.links.post(process, envelope, None):
            self._is_changed = True  # there is no room now; once more, later

    def _hear(self, source: str, envelope: Envelope) -> None:
        """What another process says to this one."""
        try:
            if envelope.kind is Kind.DISCOVERY:
                if self._is_news(source, envelope):
                    self._directory.announce(source, [_member(source, one) for one in _decoded(envelope)])
            elif envelope.kind is Kind.ACKNOWLEDGEMENT:
                self._far(source, _fars.decode(envelope.body))
            elif envelope.kind in SURVEY_KINDS:
                self.surveyor.hear(source, envelope.body)
        except (msgspec.DecodeError, PhalanxError):
            self._desk.report(Outcome.MALFORMED, envelope, self._directory.process, source)

    def _is_news(self, source: str, envelope: Envelope) -> bool:
        """Whether it was said after what was last heard: what was sent again may come late, and is out of date then."""
        origin, number = self._announced.get(source, ("", 0))
        if envelope.origin == origin and envelope.number < number:
            return False
        self._announced[source] = envelope.origin, envelope.number
        return True

    def _far(self, source: str, far: _Far) -> None:
        receipt = self._desk.pending.get(far.number) if far.origin == self._origin else None
        if receipt is not None:
            refused = [(name, outcome_of(code)) for name, code in far.refused]
            self._desk.settle(receipt, source, far.taken, refused, Outcome.TAKEN)

    def _settle(self, delivery: Delivery, taken: int, refused: Sequence[tuple[str, Outcome]]) -> None:
        if not delivery.is_far:
            self.links.settle(delivery, taken, refused)
            return
        told = tuple((name, int(outcome)) for name, outcome in refused)
        body = _encoder.encode(_Far(delivery.origin, delivery.number, taken, told))
        self._say(delivery.peer, Kind.ACKNOWLEDGEMENT, body)

    def _pass_on(self, peer: str, envelope: Envelope) -> None:
        """Hand an emergency to the neighbours that may have it."""
        passed = msgspec.structs.replace(envelope, hops=envelope.hops - 1)
        if not envelope.proof or passed.hops == 0:
            return
        source = envelope.sender.partition("/")[0]
        for neighbour in self.neighbours():
            if neighbour not in (peer, source) and may_carry(envelope, self.organisation_of(neighbour)):
                self.links.post(neighbour, passed, None)

    def neighbours(self) -> tuple[str, ...]:
        """Whom emergencies are passed on to."""
        names = tuple(sorted({self._directory.process, *self.links.processes}))
        if self._graph[0] != names:
            self._graph = names, regular_graph(names, FLOOD_DEGREE)
        return self._graph[1][self._directory.process]


def _decoded(envelope: Envelope) -> tuple[_Announced, ...]:
    try:
        return _announcements.decode(envelope.body)
    except msgspec.DecodeError as error:
        raise Malformed(str(error)) from error


def _member(process: str, one: _Announced) -> Member:
    if not one.agent:
        raise InvalidInput("agent", "it has no name")
    return Member(
        one.agent, frozenset(one.tags), frozenset(one.tenants), one.clearance, one.organisation,
        address=f"{process}/{one.agent}",
    )  # fmt: skip
