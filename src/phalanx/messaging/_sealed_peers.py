"""Frames between processes, sealed end to end: a channel of ``crypto`` for each pair that talks, made when it does so.

Invariants:

1. A frame leaves only under a channel whose other end proved to be the process that it is for, and is handed on only
   from one whose other end proved to be the process that it says it is.
2. Who cannot prove it gets nothing, and is reported: refused identities, and identities under another's address.
3. Channels are bounded, the least recently used giving way; what waits for a handshake is bounded, too. A frame that
   finds no room is lost, as on any path, and counted.
4. Whoever starts again has lost its keys. Its own first frame makes the channel anew on both sides.

Each path has channels of its own: losing one path, or the keys in use on it, takes nothing from the other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from phalanx.core import NS_PER_S, Clock, EntropySource, InvalidInput, PhalanxError, Transport
from phalanx.crypto import VerifyingKey
from phalanx.crypto.channel import (
    MAX_PAYLOAD_BYTES,
    Channel,
    ChannelClosed,
    ChannelPolicy,
    Channels,
    HandshakeFailed,
    HandshakeTimeout,
    Party,
)
from phalanx.crypto.identity import Subject, SubjectKind
from phalanx.messaging._limits import (
    MAX_DIALLED_BYTES,
    MAX_DIALLED_FRAMES,
    MAX_DIALS,
    MAX_SEALED_CHANNELS,
    MAX_UNREAD_FRAMES,
    REDIAL_AFTER_S,
    REFUSAL_WINDOW_S,
)
from phalanx.telemetry import Telemetry


def subject_of(process: str) -> str:
    """Whose identity a process has to prove: of ``hq.acme`` it is ``node:acme/hq``. Raises ``InvalidInput``."""
    node, _, organisation = process.rpartition(".")
    return str(Subject(SubjectKind.NODE, f"{organisation}/{node}"))


def process_named(subject: Subject) -> str:
    """The process of a node's identity; the inverse of ``subject_of``."""
    if subject.kind is not SubjectKind.NODE:
        raise InvalidInput("subject", f"{subject} is not a node, and only nodes have processes")
    organisation, _, node = subject.name.partition("/")
    return f"{node}.{organisation}"


@dataclass(frozen=True, slots=True)
class RefusedPeer:
    """Somebody did not prove to be who it had to be. ``process`` is where it was, empty when it called us."""

    process: str
    reason: str


@dataclass(slots=True)
class _Dial:
    """A handshake under way, and what is to be sent once there is a channel."""

    frames: deque[bytes] = field(default_factory=deque)
    n_bytes: int = 0


class SealedPeers:
    """Implements ``Peers``. Use as an asynchronous context manager, or ``open`` and ``close``."""

    def __init__(
        self,
        transports: Sequence[Transport],
        party: Party,
        *,
        clock: Clock,
        entropy: EntropySource,
        telemetry: Telemetry,
        on_refused: Callable[[RefusedPeer], None],
        policy: ChannelPolicy | None = None,
        expects: Callable[[str], str] = subject_of,
        max_channels: int = MAX_SEALED_CHANNELS,
    ) -> None:
        assert transports, "there is at least one path"
        self._clock = clock
        self._expects = expects
        self._on_refused = on_refused
        self._told: dict[RefusedPeer, int] = {}
        self._transports = tuple(transports)
        self._max_channels = max_channels
        watched = self._watching(party)
        self._channels = [
            Channels(one, watched, clock=clock, entropy=entropy, policy=policy, max_channels=max_channels)
            for one in transports
        ]
        self._open: list[dict[str, Channel]] = [{} for _ in transports]
        self._dials: list[dict[str, _Dial]] = [{} for _ in transports]
        self._proved: dict[str, tuple[VerifyingKey, bytes]] = {}
        self._not_before_ns: dict[tuple[int, str], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._got: asyncio.Queue[tuple[str, bytes, int] | PhalanxError] = asyncio.Queue(MAX_UNREAD_FRAMES)
        self._stack = AsyncExitStack()
        self._log = telemetry.log.bind(room="messaging")
        metrics = telemetry.metrics
        self._handshakes = metrics.counter(
            "phalanx_messaging_handshakes_total", "Handshakes with other processes that we began.", ("outcome",)
        )
        self._refused = metrics.counter(
            "phalanx_messaging_refused_peers_total", "Peers that did not prove who they are."
        )
        self._lost = metrics.counter(
            "phalanx_messaging_unsealed_frames_total", "Frames dropped because there was no channel for them."
        )
        self._kept = metrics.gauge("phalanx_messaging_channels", "Channels with other processes.", ("path",))

    async def open(self) -> None:
        for channels in self._channels:
            await self._stack.enter_async_context(channels)
        for path in range(self.paths):
            self._start(self._read(path))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def process(self) -> str:
        return self._transports[0].address

    @property
    def paths(self) -> int:
        return len(self._transports)

    @property
    def max_frame_bytes(self) -> int:
        return MAX_PAYLOAD_BYTES

    @property
    def party(self) -> Party:
        return self._channels[0].party

    @party.setter
    def party(self, party: Party) -> None:
        """Who we are in new handshakes, after a rotation; channels in place stay."""
        watched = self._watching(party)
        for channels in self._channels:
            channels.party = watched

    def recheck(self) -> None:
        """Judge every peer again, and end channels with those who are not believed any more: something was revoked."""
        for channels in self._channels:
            channels.recheck()
        self._proved = {name: proved for name, proved in self._proved.items() if self._still_holds(*proved)}

    def key_of(self, process: str) -> VerifyingKey | None:
        """The key that a process proved its own when we last had a channel, unless it is not believed any more."""
        proved = self._proved.get(process)
        return None if proved is None else proved[0]

    def has_channel(self, process: str, *, path: int = 0) -> bool:
        channel = self._open[path].get(process)
        return channel is not None and channel.is_open

    def send(self, process: str, frame: bytes, *, path: int = 0) -> None:
        """Seal and send, or have it wait for the handshake, within bounds. Never waits."""
        channel = self._open[path].get(process)
        if channel is not None:
            try:
                channel.send(frame)
            except ChannelClosed:
                del self._open[path][process]
            else:
                return
        dial = self._dials[path].get(process) or self._dial(path, process)
        if dial is None or len(dial.frames) >= MAX_DIALLED_FRAMES or dial.n_bytes + len(frame) > MAX_DIALLED_BYTES:
            self._lost.inc()
            return
        dial.frames.append(frame)
        dial.n_bytes += len(frame)

    async def receive(self) -> tuple[str, bytes, int]:
        got = await self._got.get()
        if isinstance(got, PhalanxError):
            self._got.put_nowait(got)  # whoever asks again must see it, too
            raise got
        return got

    async def close(self) -> None:
        """Tell the peers, drop the keys, and close the transports."""
        await self._stack.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:
            await transport.close()

    def _dial(self, path: int, process: str) -> _Dial | None:
        """Begin a handshake; None when there are too many, or one has failed a moment ago."""
        if len(self._dials[path]) >= MAX_DIALS:
            return None
        not_before_ns = self._not_before_ns.get((path, process))
        if not_before_ns is not None:
            if self._clock.monotonic_ns() < not_before_ns:
                return None
            del self._not_before_ns[path, process]
        dial = self._dials[path][process] = _Dial()
        self._start(self._connect(path, process, dial))
        return dial

    async def _connect(self, path: int, process: str, dial: _Dial) -> None:
        try:
            channel = await self._channels[path].get(process, peer=self._expects(process))
        except PhalanxError as error:
            self._lost.inc(len(dial.frames))
            self._handshakes.labels(error.code).inc()
            if isinstance(error, HandshakeFailed) and not isinstance(error, HandshakeTimeout):
                self._refuse(RefusedPeer(process, error.message))
            if not isinstance(error, ChannelClosed):
                self._put_off(path, process)
        else:
            self._handshakes.labels("agreed").inc()
            self._use(path, process, channel)
            for frame in dial.frames:
                if not channel.is_open:
                    self._lost.inc()
                    continue
                channel.send(frame)
        finally:
            del self._dials[path][process]

    def _put_off(self, path: int, process: str) -> None:
        now_ns = self._clock.monotonic_ns()
        if len(self._not_before_ns) >= self._max_channels:
            self._not_before_ns = {key: at for key, at in self._not_before_ns.items() if at > now_ns}
        self._not_before_ns[path, process] = now_ns + round(REDIAL_AFTER_S * NS_PER_S)

    def _use(self, path: int, process: str, channel: Channel) -> None:
        """Send on this channel from now on: the peer has just shown that it has its keys."""
        channels = self._open[path]
        if len(channels) >= self._max_channels:
            channels = self._open[path] = {name: one for name, one in channels.items() if one.is_open}
        channels[process] = channel
        if len(self._proved) >= self._max_channels and process not in self._proved:
            self._proved.pop(next(iter(self._proved)))
        agreed = channel.session.agreed
        self._proved[process] = agreed.key, agreed.credential
        self._kept.labels(str(path)).set(self._channels[path].counts["channels"])

    async def _read(self, path: int) -> None:
        channels = self._channels[path]
        try:
            while True:
                channel, frame = await channels.receive()
                process = channel.address
                if self._open[path].get(process) is not channel:
                    if not self._is_whom_it_says(channel):
                        continue
                    self._use(path, process, channel)
                await self._got.put((process, frame, path))
        except PhalanxError as error:
            await self._got.put(error)

    def _is_whom_it_says(self, channel: Channel) -> bool:
        """Whether the other end proved to be the process whose address it uses; if not, the channel is over."""
        try:
            expected = self._expects(channel.address)
        except InvalidInput as error:
            expected = error.reason
        if channel.peer == expected:
            return True
        if channel.is_open:
            self._refuse(RefusedPeer(channel.address, f"{channel.peer} speaks from there"))
            channel.close()
        return False

    def _still_holds(self, key: VerifyingKey, credential: bytes) -> bool:
        try:
            return self.party.verify_peer(credential) == key
        except PhalanxError:
            return False

    def _watching(self, party: Party) -> Party:
        """The same party, which reports whom it refuses."""

        def verify(credential: bytes) -> VerifyingKey:
            try:
                return party.verify_peer(credential)
            except PhalanxError as error:
                self._refuse(RefusedPeer("", error.message))
                raise

        return replace(party, verify_peer=verify)

    def _refuse(self, peer: RefusedPeer) -> None:
        """Count it, and tell of it, the same one not again for a while."""
        self._refused.inc()
        now_ns = self._clock.monotonic_ns()
        window_ns = round(REFUSAL_WINDOW_S * NS_PER_S)
        if now_ns - self._told.get(peer, now_ns - window_ns) < window_ns:
            return
        if len(self._told) >= self._max_channels:
            self._told.clear()
        self._told[peer] = now_ns
        self._log.warning("a peer did not prove who it is", process=peer.process, reason=peer.reason)
        self._on_refused(peer)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
