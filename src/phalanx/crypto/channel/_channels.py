"""Channels over datagrams: made when they are first asked for, kept within a bound, and closed at once on revocation.

This is the shell around ``Endpoint``: it moves datagrams between the transport and the endpoint,
tells it the time, and hands out what arrives.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Self

from phalanx.core import Clock, EntropySource, Transport
from phalanx.crypto.channel._endpoint import Delivered, Effect, Ended, Endpoint, Failed, Opened, Transmit
from phalanx.crypto.channel._errors import ChannelClosed
from phalanx.crypto.channel._handshake import FindPsk
from phalanx.crypto.channel._limits import MAX_CHANNELS, MAX_INBOX_PAYLOADS, TICK_BUSY_S, TICK_IDLE_S
from phalanx.crypto.channel._policy import ChannelPolicy, Party, Psk
from phalanx.crypto.channel._responder import no_psk
from phalanx.crypto.channel._session import Session

OfferPsks = Callable[[str, str], Sequence[Psk]]


def _no_psks(address: str, peer: str) -> Sequence[Psk]:  # noqa: ARG001 - none, whoever it is
    return ()


class Channel:
    """A channel with one peer. What arrives on it comes through ``Channels.receive``."""

    __slots__ = ("_channels", "address", "session")

    def __init__(self, channels: "Channels", address: str, session: Session) -> None:
        self._channels = channels
        self.address = address
        self.session = session

    def __repr__(self) -> str:
        return f"Channel({self.address}, {self.peer[:16]}…, {'open' if self.is_open else 'closed'})"

    @property
    def peer(self) -> str:
        """Who the peer proved to be, under the name that our party gives it."""
        return self.session.peer

    @property
    def is_open(self) -> bool:
        return self.session.ended is None

    def send(self, payload: bytes) -> None:
        """Seal and send one payload; raises ``ChannelClosed``. Datagrams may be lost: nothing is sent again."""
        self._channels.transmit(self.address, self.session.seal(payload))

    def send_many(self, payloads: Iterable[bytes]) -> None:
        """Many small payloads in few frames, which costs a fraction."""
        for frame in self.session.seal_many(payloads):
            self._channels.transmit(self.address, frame)

    def close(self) -> None:
        """Tell the peer and drop the keys."""
        self._channels.close(self)


class Channels:
    """All channels of one address. Use as an asynchronous context manager."""

    def __init__(
        self,
        transport: Transport,
        party: Party,
        *,
        clock: Clock,
        entropy: EntropySource,
        policy: ChannelPolicy | None = None,
        find_psk: FindPsk = no_psk,
        offer_psks: OfferPsks = _no_psks,
        max_channels: int = MAX_CHANNELS,
        max_inbox: int = MAX_INBOX_PAYLOADS,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._offer_psks = offer_psks
        self._endpoint = Endpoint(
            party, policy or ChannelPolicy(), entropy, find_psk=find_psk, max_channels=max_channels
        )
        self._channels: dict[Session, Channel] = {}
        self._pending: dict[tuple[str, str], asyncio.Future[Channel]] = {}
        self._dials: dict[int, tuple[str, str]] = {}
        self._inbox: deque[tuple[Channel, bytes]] = deque()
        self._max_inbox = max_inbox
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurries = False
        self._is_closed = True
        self._closed_because = "these channels are not open yet"
        self._failure: BaseException | None = None
        self.dropped = 0

    async def __aenter__(self) -> Self:
        self._is_closed = False
        self._start(self._pump())
        self._start(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut("these channels are closed")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def party(self) -> Party:
        """Who we are in new handshakes; set it after a rotation. Channels in place stay."""
        return self._endpoint.party

    @party.setter
    def party(self, party: Party) -> None:
        self._endpoint.party = party

    @property
    def counts(self) -> dict[str, int]:
        """How many channels, dials and half-open handshakes there are, payloads dropped, and datagrams refused."""
        return {**self._endpoint.counts, "dropped": self.dropped, "refused": sum(self._endpoint.refused.values())}

    async def get(self, address: str, *, peer: str) -> Channel:
        """The channel with that peer at that address, established if there is none yet.

        Whoever asks meanwhile waits for the same handshake. Raises ``HandshakeFailed``.
        """
        if self._is_closed:
            raise ChannelClosed(self._closed_because, hint="") from self._failure
        session = self._endpoint.find(address, peer)
        if session is not None:
            return self._channels[session]
        key = (address, peer)
        pending = self._pending.get(key)
        if pending is None:
            psks = self._offer_psks(address, peer)
            number, effects = self._endpoint.connect(address, self._clock.monotonic_ns(), peer=peer, psks=psks)
            pending = self._pending[key] = asyncio.get_running_loop().create_future()
            # Every waiter may have gone by the time it fails.
            pending.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._dials[number] = key
            self._carry_out(effects)
            if not self._hurries:
                self._hurries = True
                self._start(self._watch_dials())
        return await asyncio.shield(pending)

    async def receive(self) -> tuple[Channel, bytes]:
        """The next payload that arrived on any channel; raises ``ChannelClosed`` once all of this is closed."""
        while not self._inbox:
            if self._is_closed:
                raise ChannelClosed(self._closed_because, hint="") from self._failure
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    def transmit(self, address: str, frame: bytes) -> None:
        self._transport.send(address, frame)

    def close(self, channel: Channel) -> None:
        self._carry_out(self._endpoint.close(channel.session))

    def revoke(self, peer: str) -> None:
        """End every channel with a peer before this returns; ``verify_peer`` must refuse it already."""
        self._carry_out(self._endpoint.revoke(peer))

    def recheck(self) -> None:
        """Have ``verify_peer`` judge every channel's credential again: call it when something was revoked."""
        self._carry_out(self._endpoint.recheck())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._stopped)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """Without its transport or its time nothing here works: whoever waits must hear of it."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._shut(f"these channels stopped working: {error}")

    def _shut(self, because: str) -> None:
        if not self._is_closed:
            self._is_closed, self._closed_because = True, because
            self._carry_out(self._endpoint.close_all())
            self._arrived.set()

    async def _pump(self) -> None:
        while True:
            address, datagram = await self._transport.receive()
            self._carry_out(self._endpoint.receive(address, datagram, self._clock.monotonic_ns()))

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(TICK_IDLE_S)
            self._carry_out(self._endpoint.on_time(self._clock.monotonic_ns()))

    async def _watch_dials(self) -> None:
        """Look at the clock more often while something is dialled: a lost message is to be sent again soon."""
        while self._dials:
            await self._clock.sleep(TICK_BUSY_S)
            self._carry_out(self._endpoint.on_time(self._clock.monotonic_ns()))
        self._hurries = False

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(address, datagram):
                    self._transport.send(address, datagram)
                case Delivered(_, session, payloads):
                    self._deliver(self._channels[session], payloads)
                case Opened(address, session, dial):
                    channel = self._channels[session] = Channel(self, address, session)
                    if dial is not None:
                        self._settled(dial).set_result(channel)
                case Ended(_, session, _):
                    del self._channels[session]
                case Failed(_, dial, error):
                    self._settled(dial).set_exception(error)

    def _settled(self, dial: int) -> "asyncio.Future[Channel]":
        return self._pending.pop(self._dials.pop(dial))

    def _deliver(self, channel: Channel, payloads: tuple[bytes, ...]) -> None:
        for payload in payloads:
            if len(self._inbox) >= self._max_inbox:
                self._inbox.popleft()
                self.dropped += 1
            self._inbox.append((channel, payload))
        self._arrived.set()
