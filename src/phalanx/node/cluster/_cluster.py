"""The node among others: how it finds them, whom it trusts, and the bus that reaches them.

Nodes announce regularly that they are present. Nothing proves an announcement; it only starts what does: a channel,
in which the other end presents a chain of certificates to the root of an organisation that is trusted here. Anyone
who belongs to no such organisation is a stranger: listed, and not spoken to.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    InvalidInput,
    LimitExceeded,
    NotFound,
    derive_id,
)
from phalanx.crypto import SigningKey
from phalanx.crypto.channel import Party, identity_party
from phalanx.crypto.identity import Certificate, Chain, Identities, Identity, Subject
from phalanx.messaging import Bus, LinkState, RefusedPeer, SealedPeers, SignedProofs, process_named, subject_of
from phalanx.node._limits import HERE_EVERY_S, INVITATION_DAYS, MAX_REFUSED_WAITING, MAX_STRANGERS, REFUSED_AGAIN_NS
from phalanx.node._ports import ClusterLine, Ports
from phalanx.node._services import Health
from phalanx.node.cluster._invitations import Invitation, Invitations
from phalanx.node.cluster._join_token import Enrolment, JoinToken
from phalanx.telemetry import Telemetry


class _Here(msgspec.Struct, frozen=True, array_like=True):
    """What a node says with being here: which incarnation it is, on joining what it has a token for, and
    whom it welcomes: whoever joins waits for that, because before it would be refused."""

    incarnation: str
    enrolment: Enrolment | None = None
    welcome: str = ""


_encoder = msgspec.msgpack.Encoder()
_heard = msgspec.msgpack.Decoder(_Here)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as this node sees it. ``paths`` are name, whether it is connected, and how it is."""

    process: str
    serves: bool
    urls: tuple[str, ...]
    paths: tuple[tuple[str, bool, str], ...]
    peers: tuple[LinkState, ...]
    strangers: tuple[str, ...]
    invitations: tuple[Invitation, ...]


class Cluster:
    """Made by ``join_cluster``. ``run`` is to run for as long as the node does."""

    def __init__(
        self, line: ClusterLine, identities: Identities, invitations: Invitations, token: JoinToken | None,
        *, ports: Ports, audit: AuditSink, alerts: AlertSink, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._line, self._identities, self._invitations = line, identities, invitations
        self._token = token
        self._clock, self._alerts, self._audit = ports.clock, alerts, audit
        self._log = telemetry.log.bind(room="node", service="cluster")
        self._incarnation = ports.ids.new()
        self._met: set[str] = set()
        self._strangers: dict[str, None] = {}
        self._claims: deque[tuple[str, Enrolment]] = deque(maxlen=MAX_STRANGERS)
        self._refused: deque[RefusedPeer] = deque(maxlen=MAX_REFUSED_WAITING)
        self._told: dict[RefusedPeer, int] = {}
        self._namesakes = 0
        self._spoken_as: Identity | None = None
        self._peers: SealedPeers | None = None
        self._bus: Bus | None = None
        self.process = process_named(identities.node.subject)

    async def open_peers(self, ports: Ports, telemetry: Telemetry) -> SealedPeers:
        """Peers over every path of the line; whoever is refused is on record."""
        if self._token is not None:
            root = _root_of(self._token)
            if root.key_fingerprint not in self._identities.anchors:
                await self._identities.trust(root, actor=f"join token of {self._token.host}")
        transports = await self._line.open(self.process, telemetry, self._on_here)
        self._peers = SealedPeers(
            transports, self._party(), clock=ports.clock, entropy=ports.entropy, telemetry=telemetry,
            on_refused=self._on_refused,
        )  # fmt: skip
        await self._peers.open()
        self._identities.on_revoked(lambda _: self.peers.recheck())
        return self._peers

    @property
    def met(self) -> frozenset[str]:
        """The other nodes whose organisations are trusted here, whether they are there now or not."""
        trusted = {known.name for known in self._identities.anchors.values()}
        return frozenset(one for one in self._met if one.rpartition(".")[2] in trusted)

    def start_talking(self, bus: Bus) -> None:
        """From now on who is heard of is met on ``bus``."""
        self._bus = bus

    @property
    def peers(self) -> SealedPeers:
        assert self._peers is not None, "open_peers comes first"
        return self._peers

    @property
    def proofs(self) -> "NodeProofs":
        return NodeProofs(lambda: self._identities.node.key, self.peers)

    @property
    def serves(self) -> bool:
        """Whether the server is this node's own."""
        return self._line.serves

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the server is."""
        return tuple(self._line.urls)

    def health(self) -> Health:
        """The node works alone as well, but people should know that it does."""
        states = self._line.states()
        told = "; ".join(f"{path} {told}" for path, _, told in states)
        return Health(ok=any(connected for _, connected, _ in states), detail=told)

    async def state(self) -> ClusterState:
        assert self._bus is not None
        links = [] if self._bus.abroad is None else self._bus.abroad.links.states()
        return ClusterState(
            process=self.process, serves=self._line.serves, urls=tuple(self._line.urls),
            paths=tuple(self._line.states()), peers=tuple(one for one in links if one.process in self._met),
            strangers=tuple(self._strangers),
            invitations=tuple(await self._invitations.list()),
        )  # fmt: skip

    async def invite(self, name: str, *, days: float = INVITATION_DAYS) -> str:
        """The text of a token for another node. Raises ``InvalidInput`` where the server is not ours."""
        access = await self._line.invite(name)
        record = await self._invitations.make(name, lifetime_s=days * 86_400)
        root = await self._identities.chain(str(self._identities.names.root_subject))
        token = JoinToken(
            name=name, host=self.process, urls=access.urls, ca=access.ca, seed=access.seed, root=root.to_text(),
            secret=record.secret, expires_ns=record.expires_ns,
        )  # fmt: skip
        return token.to_text()

    async def dismiss(self, name: str, *, actor: str) -> None:
        """Take an invitation back: its key is let in no more, and the organisation that came by it is not trusted."""
        for one in await self._invitations.list():
            if one.name == name and one.joined:
                self._part(one.joined)
                organisation = one.joined.rpartition(".")[2]
                for fingerprint, subject in list(self._identities.anchors.items()):
                    if subject.name == organisation and organisation != self._identities.names.organisation:
                        await self._identities.distrust(fingerprint, actor=actor)
                self.peers.recheck()
        await self._invitations.remove(name)
        await self._line.dismiss(name)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._speak_as_we_are()
            self.peers.recheck()
            self._line.here(_encoder.encode(_Here(self._incarnation, self._enrolment())))
            while self._claims:
                await self._redeem(*self._claims.popleft())
            while self._refused:
                await self._record(self._refused.popleft())
            await self._clock.sleep(HERE_EVERY_S)

    def _party(self) -> Party:
        self._spoken_as = self._identities.node
        return identity_party(
            self._identities.node, anchors=lambda: self._identities.anchors, standing=self._identities.standing,
            clock=self._clock,
        )  # fmt: skip

    def _speak_as_we_are(self) -> None:
        if self._spoken_as is not self._identities.node:
            self.peers.party = self._party()

    def _enrolment(self) -> Enrolment | None:
        """Our claim, until the host has shown with a channel that it believes us."""
        token = self._token
        if token is None or self.peers.has_channel(token.host) or self._identities.root is None:
            return None
        return token.enrolment(self.process, self._identities.root.chain.leaf.to_bytes())

    def _on_here(self, process: str, note: bytes) -> None:
        """Somebody says that it is here."""
        try:
            here, subject = _heard.decode(note), Subject.parse(subject_of(process))
        except (msgspec.DecodeError, InvalidInput):
            return
        if process == self.process:
            if here.incarnation != self._incarnation:
                self._namesake()
            return
        organisation = subject.name.partition("/")[0]
        if any(organisation == known.name for known in self._identities.anchors.values()):
            if here.enrolment is not None:
                self._welcome(process)
            if not self._waits_for(process) or here.welcome == self.process:
                self._meet(process, organisation)
            return
        if len(self._strangers) < MAX_STRANGERS:
            self._strangers[process] = None
        if here.enrolment is not None:
            self._claims.append((process, here.enrolment))

    def _meet(self, process: str, organisation: str) -> None:
        self._strangers.pop(process, None)
        if process in self._met or self._bus is None:
            return
        try:
            self._bus.meet(process, organisation=organisation)
        except LimitExceeded as error:
            self._log.warning("a node more than there may be", process=process, error=error.message)
            return
        self._met.add(process)
        self._log.info("met another node", process=process)
        self._welcome(process)  # it may not have heard of us yet

    def _welcome(self, process: str) -> None:
        self._line.here(_encoder.encode(_Here(self._incarnation, None, process)))

    def _waits_for(self, process: str) -> bool:
        """Whether we have a token of that node, and do not know yet that it took it."""
        return self._token is not None and self._token.host == process and not self.peers.has_channel(process)

    def _part(self, process: str) -> None:
        self._met.discard(process)
        if self._bus is not None:
            self._bus.part(process)

    def _namesake(self) -> None:
        self._namesakes += 1
        if self._namesakes == 1:
            self._alerts.alert(
                AlertLevel.URGENT, "node", "another process in the cluster goes by the name of this node",
                process=self.process,
            )  # fmt: skip

    async def _redeem(self, process: str, claim: Enrolment) -> None:
        try:
            if await self._invitations.redeem(process, claim):
                self._log.info("a node joined the cluster", process=process, invitation=claim.name)
                self._meet(process, process.rpartition(".")[2])
        except (InvalidInput, NotFound) as error:
            self._on_refused(RefusedPeer(process, error.message))

    def _on_refused(self, peer: RefusedPeer) -> None:
        now_ns = self._clock.monotonic_ns()
        told_ns = self._told.get(peer)
        if told_ns is not None and now_ns - told_ns < REFUSED_AGAIN_NS:
            return  # it knocks every few seconds: that is one thing to know, and not hundreds
        if len(self._told) >= MAX_REFUSED_WAITING:
            self._told.clear()
        self._told[peer] = now_ns
        self._refused.append(peer)
        self._alerts.alert(
            AlertLevel.WARNING, "node", "a peer did not prove who it is", process=peer.process or "unknown",
            reason=peer.reason,
        )  # fmt: skip

    async def _record(self, peer: RefusedPeer) -> None:
        now_ns = self._clock.wall_ns()
        await self._audit.record(
            AuditEntry(
                id=derive_id(now_ns, "peer-refused", peer.process, peer.reason, str(now_ns)), tenant=DEFAULT_TENANT,
                trace=NO_TRACE, at_ns=now_ns, actor=str(self._identities.node.subject), action="peer.refused",
                subject=peer.process or "unknown", case="", body={"reason": peer.reason},
            )
        )  # fmt: skip


class NodeProofs:
    """Proofs by the node's present key, checked with the keys that peers proved theirs in a channel."""

    def __init__(self, key: Callable[[], SigningKey], peers: SealedPeers) -> None:
        self._key, self._peers = key, peers

    def prove(self, data: bytes) -> bytes:
        return SignedProofs(self._key(), self._peers.key_of).prove(data)

    def check(self, process: str, data: bytes, proof: bytes) -> None:
        SignedProofs(self._key(), self._peers.key_of).check(process, data, proof)


def _root_of(token: JoinToken) -> Certificate:
    return Chain.from_text(token.root).root
