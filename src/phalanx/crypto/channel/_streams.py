"""A channel over a byte stream (asyncio's reader and writer): each message and frame behind its length in 4 bytes.

The stream delivers in order or not at all, so anything out of order is an attack and the end.
An end of the stream that no authenticated close announced is a truncation, and an error.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from phalanx.core import NS_PER_S, Clock, EntropySource
from phalanx.crypto.channel._errors import ChannelClosed, HandshakeFailed, HandshakeTampered, HandshakeTimeout
from phalanx.crypto.channel._frames import FRAME_OVERHEAD_BYTES
from phalanx.crypto.channel._handshake import FindPsk
from phalanx.crypto.channel._initiator import Initiator
from phalanx.crypto.channel._limits import HANDSHAKE_NS, MAX_HANDSHAKE_BYTES, MAX_PAYLOAD_BYTES
from phalanx.crypto.channel._messages import PREFIX_BYTES
from phalanx.crypto.channel._policy import ChannelPolicy, Ordering, Party, Psk
from phalanx.crypto.channel._responder import Responder, no_psk, refuse
from phalanx.crypto.channel._session import Effects, Session

T = TypeVar("T")
_LENGTH_BYTES = 4


async def connect_stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    party: Party,
    *,
    clock: Clock,
    entropy: EntropySource,
    peer: str | None = None,
    psks: Sequence[Psk] = (),
    policy: ChannelPolicy | None = None,
) -> "StreamChannel":
    """Make the stream a channel with that peer, or else with whomever ``verify_peer`` accepts.

    Raises ``HandshakeFailed`` and closes the stream when there will be none.
    """
    initiator = Initiator(
        party, policy or ChannelPolicy(), ordering=Ordering.STREAM, entropy=entropy, now_ns=clock.monotonic_ns(),
        peer=peer, psks=psks,
    )  # fmt: skip

    async def shake() -> StreamChannel:
        await _write(writer, (initiator.start(),))
        while True:
            message = await _read(reader, MAX_HANDSHAKE_BYTES)
            progress = initiator.receive(message, clock.monotonic_ns())
            await _write(writer, progress.messages)
            if progress.session is not None:
                return StreamChannel(reader, writer, progress.session, clock, progress.payloads)

    return await _in_time(shake(), writer, clock)


async def accept_stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    party: Party,
    *,
    clock: Clock,
    entropy: EntropySource,
    find_psk: FindPsk = no_psk,
    policy: ChannelPolicy | None = None,
) -> "StreamChannel":
    """The other side of ``connect_stream``. How many wait here at once is bounded by whoever accepts connections."""

    async def shake() -> StreamChannel:
        hello = await _read(reader, MAX_HANDSHAKE_BYTES)
        try:
            responder = Responder(
                party, policy or ChannelPolicy(), ordering=Ordering.STREAM, entropy=entropy, hello=hello,
                find_psk=find_psk,
            )  # fmt: skip
        except HandshakeTampered:
            raise
        except HandshakeFailed as failed:
            await _write(writer, (refuse(hello[1:PREFIX_BYTES], failed.reason),))
            raise
        await _write(writer, (responder.reply,))
        finish = await _read(reader, MAX_HANDSHAKE_BYTES)
        try:
            progress = responder.finish(finish, clock.monotonic_ns())
        except HandshakeFailed:
            await _write(writer, filter(None, (responder.refusal,)))
            raise
        await _write(writer, progress.messages)
        assert progress.session is not None
        return StreamChannel(reader, writer, progress.session, clock)

    return await _in_time(shake(), writer, clock)


class StreamChannel:
    """A channel over one stream. One task may send while another receives."""

    __slots__ = ("_clock", "_inbox", "_reader", "_writer", "session")

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        session: Session,
        clock: Clock,
        payloads: tuple[bytes, ...] = (),
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._inbox = deque(payloads)
        self.session = session

    @property
    def peer(self) -> str:
        """Who the peer proved to be, under the name that our party gives it."""
        return self.session.peer

    async def send(self, payload: bytes) -> None:
        """Seal and send; returns when the stream has room for more. Raises ``ChannelClosed``."""
        await self._apply(self.session.on_time(self._clock.monotonic_ns()))
        await self._frames((self.session.seal(payload),))

    async def send_many(self, payloads: Iterable[bytes]) -> None:
        """Many small payloads in few frames, which costs a fraction."""
        await self._apply(self.session.on_time(self._clock.monotonic_ns()))
        await self._frames(self.session.seal_many(payloads))

    async def receive(self) -> bytes:
        """The next payload. Raises ``ChannelClosed`` at the end: that class for an orderly close, others for worse."""
        while not self._inbox:
            if self.session.ended is not None:
                raise self.session.ended
            try:
                frame = await _read(self._reader, MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES)
            except HandshakeTampered:
                await self._apply(self.session.abandon(ChannelClosed("the stream is broken: a frame is too long")))
            except (asyncio.IncompleteReadError, ConnectionError):
                await self._apply(self.session.end_of_stream())
            else:
                effects = self.session.receive(frame, self._clock.monotonic_ns())
                self._inbox += effects.payloads
                await self._apply(effects)
        return self._inbox.popleft()

    async def close(self) -> None:
        """Say that this is the end, drop the keys, and close the stream. That nobody hears it is no error."""
        effects = self.session.close()
        with contextlib.suppress(ConnectionError):
            await _write(self._writer, effects.frames)
        self._writer.close()

    async def _frames(self, frames: Iterable[bytes]) -> None:
        try:
            await _write(self._writer, frames)
        except ConnectionError:
            self.session.end_of_stream()
            self._writer.close()
            assert self.session.ended is not None
            raise self.session.ended from None

    async def _apply(self, effects: Effects) -> None:
        if effects.frames:
            await self._frames(effects.frames)
        if effects.ended is not None:
            self._writer.close()


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
    if length > most:
        raise HandshakeTampered(f"{length} bytes are announced, more than {most}")
    return await reader.readexactly(length)


async def _write(writer: asyncio.StreamWriter, messages: Iterable[bytes]) -> None:
    for message in messages:
        writer.writelines((len(message).to_bytes(_LENGTH_BYTES), message))
    await writer.drain()


async def _in_time(shake: "Awaitable[T]", writer: asyncio.StreamWriter, clock: Clock) -> T:
    """The handshake's result; the stream is closed when it fails or takes too long."""
    work, limit = asyncio.ensure_future(shake), asyncio.ensure_future(clock.sleep(HANDSHAKE_NS / NS_PER_S))
    try:
        await asyncio.wait((work, limit), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise HandshakeTimeout("the other side did not answer in time")
        return work.result()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
        raise HandshakeFailed("the stream ended during the handshake") from None
    except BaseException:
        writer.close()
        raise
    finally:
        for task in (work, limit):
            task.cancel()
        await asyncio.gather(work, limit, return_exceptions=True)
