"""One of several processes whose agents agree over NATS: a council of its share of the participants.

The parent speaks to it through a pipe, one order after another, and it answers each. Times are those
of the machine's monotonic clock, which its processes share.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from phalanx.adapters import SystemClock
from phalanx.adapters.nats import NatsAccess, NatsTransport
from phalanx.bench.consensus._all_to_all import Mutual
from phalanx.bench.consensus._voters import Voters, make_voters
from phalanx.bench.messaging._sealed_wire import SealedTransport, opened_peers
from phalanx.consensus import (
    Agreement,
    Council,
    Epoch,
    Fixed,
    Instance,
    Question,
    Seat,
    VoteSigner,
    Wire,
    encode_message,
    verifier_of,
)
from phalanx.core import NS_PER_S, PhalanxError, Rng, Unavailable
from phalanx.crypto.channel import identity_party
from phalanx.crypto.identity import Identity, NothingKnown, Subject
from phalanx.telemetry import Telemetry

OPTIONS = ("approve", "refuse")
_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Share:
    """Which process of how many this is, and what its participants vote with."""

    number: int
    processes: int
    agents: int
    votes: str
    leaves: int

    @property
    def places(self) -> range:
        return range(self.number, self.agents, self.processes)


@dataclass(frozen=True, slots=True)
class Join:
    """Sit in ``epoch``, with participants at home at these addresses, over the server at ``url``.

    With an ``identity`` everything is sealed between processes, which prove to be of one of ``anchors`` (fingerprints
    and names); without one it is in the clear.
    """

    epoch: bytes
    homes: Mapping[int, str]
    url: str
    identity: bytes = b""
    anchors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sit:
    """Begin anew, with ``away`` silent and ``traitors`` voting with signatures that do not hold.

    Without ``memo`` each participant verifies every vote for itself.
    """

    away: frozenset[int]
    traitors: frozenset[int]
    view_ns: int
    memo: bool = True


@dataclass(frozen=True, slots=True)
class Voting:
    """What a process begins with: the roots of its participants by place, and the CPU seconds that keys took."""

    roots: list[bytes]
    made_s: float


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the next votes ready; answered by the CPU seconds that took."""


@dataclass(frozen=True, slots=True)
class Decide:
    """Learn the answer to the question of this number, and ask it if ``ask``; answered by ``Learned``."""

    number: int
    ask: bool


@dataclass(frozen=True, slots=True)
class Rise:
    """End the sitting."""


@dataclass(frozen=True, slots=True)
class Everybody:
    """Have everybody tell everybody both votes, with no leader; answered by ``Learned``. Nobody may sit meanwhile."""

    number: int


@dataclass(frozen=True, slots=True)
class Count:
    """Answered by how many messages this process sent to others since ``Sit``, and their bytes."""


@dataclass(frozen=True, slots=True)
class Learned:
    """When this process's participants knew the decision, and the CPU time since ``Decide``."""

    asked: bool
    asked_ns: int
    known_ns: int
    cpu_s: float
    option: str
    certificate: bytes


class _Garbled:
    """Signs, and spoils what it signed."""

    def __init__(self, signer: VoteSigner) -> None:
        self._signer = signer

    @property
    def root(self) -> bytes:
        return self._signer.root

    def sign(self, statement: bytes) -> bytes:
        made = self._signer.sign(statement)
        return made[:-1] + bytes([made[-1] ^ 1])


def question_of(number: int) -> Question:
    """The question that all processes mean by this number."""
    return Question(OPTIONS, number.to_bytes(32))


class _Host:
    def __init__(self, share: Share, voters: Voters) -> None:
        self._share = share
        self._voters = voters
        self._clock = SystemClock()
        self._agreed: dict[bytes, asyncio.Future[tuple[int, Agreement]]] = {}
        self._epoch: Epoch
        self._wire: Wire
        self._counted = 0, 0
        self._council: Council | None = None
        self._sitting: asyncio.Task[None] | None = None
        self._mutual = Mutual()

    async def join(self, asked: Join) -> None:
        self._epoch = Epoch.from_bytes(asked.epoch)
        bare = await NatsTransport.open(
            NatsAccess((asked.url,)), asked.homes[self._share.number], clock=self._clock,
            rng=Rng(self._share.number), telemetry=Telemetry(self._clock),
        )  # fmt: skip
        if not asked.identity:
            self._wire = Wire(bare, asked.homes, max_datagram=bare.max_datagram)
            return
        anchors = {key: Subject.parse(name) for key, name in asked.anchors.items()}
        party = identity_party(
            Identity.from_bytes(asked.identity), anchors=lambda: anchors, standing=NothingKnown(), clock=self._clock
        )
        sealed = SealedTransport(await opened_peers(bare, party, self._clock))
        self._wire = Wire(sealed, asked.homes, max_datagram=sealed.max_datagram)

    async def sit(self, asked: Sit) -> None:
        await self.rise()
        self._counted = self._wire.sent, self._wire.sent_bytes
        seats = {
            f"agent-{place}": Seat(
                _Garbled(signer) if place in asked.traitors else signer,
                Fixed(1, 0) if place in asked.traitors else Fixed(0, 1),
            )
            for place, signer in zip(self._share.places, self._voters.signers, strict=True)
            if place not in asked.away
        }
        if not seats:
            self._sitting = asyncio.create_task(self._ignore())
            return
        self._council = Council(
            self._epoch, seats, verifier_of(self._share.votes, memo=asked.memo), clock=self._clock,
            view_ns=asked.view_ns, wire=self._wire, on_agreed=self._learn, memo=asked.memo,
        )  # fmt: skip
        self._sitting = asyncio.create_task(self._council.run())

    async def _ignore(self) -> None:
        """Where everybody is silent, what comes is not kept for those who sit next."""
        while True:
            await self._wire.receive()

    async def rise(self) -> None:
        if self._sitting is not None:
            self._sitting.cancel()
            await asyncio.gather(self._sitting, return_exceptions=True)
        self._council = self._sitting = None

    async def decide(self, asked: Decide) -> Learned | None:
        """None where nobody sits."""
        council = self._council
        if council is None or self._sitting is None:
            return None
        question = question_of(asked.number)
        agreed = self._expected(question.context)
        cpu_ns, asked_ns = time.process_time_ns(), time.monotonic_ns()
        if asked.ask:
            await council.propose(question, deadline_ns=self._clock.wall_ns() + _WITHIN_S * NS_PER_S)
        either: set[asyncio.Future[Any]] = {agreed, self._sitting}
        await asyncio.wait(either, timeout=_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if not agreed.done():
            if self._sitting.done():
                self._sitting.result()
            raise Unavailable("a decision", f"none came within {_WITHIN_S} s")
        known_ns, agreement = agreed.result()
        del self._agreed[question.context]
        return Learned(
            asked.ask, asked_ns, known_ns, (time.process_time_ns() - cpu_ns) / NS_PER_S,
            agreement.option, encode_message(agreement.certificate),
        )  # fmt: skip

    async def everybody(self, asked: Everybody) -> Learned:
        """This process's part of the baseline."""
        cpu_ns, began_ns = time.process_time_ns(), time.monotonic_ns()
        instance = Instance(self._epoch, question_of(asked.number))
        signers = dict(zip(self._share.places, self._voters.signers, strict=True))
        async with asyncio.timeout(_WITHIN_S):
            await self._mutual.decide(instance, signers, self._wire, self._voters.verifier(memo=True))
        cpu_s = (time.process_time_ns() - cpu_ns) / NS_PER_S
        return Learned(
            asked=True, asked_ns=began_ns, known_ns=time.monotonic_ns(), cpu_s=cpu_s, option=OPTIONS[0], certificate=b""
        )

    def _expected(self, context: bytes) -> "asyncio.Future[tuple[int, Agreement]]":
        return self._agreed.setdefault(context, asyncio.get_running_loop().create_future())

    async def _learn(self, agreement: Agreement) -> None:
        expected = self._expected(agreement.instance.question.context)
        if not expected.done():
            expected.set_result((time.monotonic_ns(), agreement))

    async def obey(self, order: Any) -> Any:
        if isinstance(order, Join):
            return await self.join(order)
        if isinstance(order, Sit):
            return await self.sit(order)
        if isinstance(order, Prepare):
            return self._voters.prepare()
        if isinstance(order, Count):
            return self._wire.sent - self._counted[0], self._wire.sent_bytes - self._counted[1]
        if isinstance(order, Rise):
            return await self.rise()
        if isinstance(order, Everybody):
            return await self.everybody(order)
        assert isinstance(order, Decide)
        return await self.decide(order)


async def _serve(share: Share, pipe: Connection) -> None:
    # One more before them: loading the kernels is no part of what keys take.
    await make_voters(1, share.votes, votes=1)
    voters = await make_voters(len(share.places), share.votes, votes=share.leaves, seed=1 + share.number)
    pipe.send(Voting([signer.root for signer in voters.signers], voters.made_s))
    gc.collect()
    gc.freeze()
    host = _Host(share, voters)
    while True:
        order = await asyncio.to_thread(pipe.recv)
        try:
            pipe.send(await host.obey(order))
        except PhalanxError as error:
            pipe.send(error.message)


def serve(share: Share, pipe: Connection) -> None:
    """The process's whole life, until the parent ends it or is gone; ``pipe`` is the parent's."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        asyncio.run(_serve(share, pipe))
