"""NATS JetStream (extra ``cluster``): a sink whose messages the stream knows again, and a source by sequence numbers.

``Nats-Msg-Id`` is the item's id: within the stream's window (``duplicate_window``, two minutes unless it is set) a
message that comes twice is one. The source reads by sequence with messages asked for one by one: nothing is kept at
the server for it, and between two sequences the stream always gives the same messages. With the sequence stands when
the stream was made: one of the same name that was made anew is another, and is drawn from its beginning.
"""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from phalanx.adapters._limits import NATS_PUBLISH_S
from phalanx.adapters.nats._client import NatsAccess, connect_nats, trusting_only
from phalanx.adapters.nats._nkey import Nkey
from phalanx.core import InvalidInput, Unavailable
from phalanx.intel.delivery import (
    TAKEN,
    Answer,
    ConnectorContext,
    Drawn,
    Item,
    Parcel,
    PositionGone,
    SinkManifest,
    SourceManifest,
)
from phalanx.intel.delivery.wire import plain, to_json

if TYPE_CHECKING:
    from phalanx.adapters.nats._client import NatsClient

T = TypeVar("T")
_OPTIONS = ("url", "ca_file", "stream")
_LOOK_S = 0.5
# Of the number of a message: it has 64 bits.
_MAX_DIGITS = 20
_MAX_MADE_CHARS = 40


class _Line:
    """A connection that is made when it is needed, and again when it is over."""

    def __init__(self, context: ConnectorContext) -> None:
        ca = context.options.get("ca_file")
        tls = None if ca is None else trusting_only((context.data_dir / ca).read_text())
        has_key = {"nkey_file", "nkey_fd"} & set(context.options)
        self._url = context.option("url")
        user = Nkey.from_seed(context.secret("nkey").decode().strip()) if has_key else None
        self._access = NatsAccess((self._url,), tls, user)
        self._name = f"phalanx-{context.node}-{context.name}"
        self._client: NatsClient | None = None

    async def jetstream(self) -> Any:
        if self._client is not None and (self._client.lost.is_set() or self._client.is_closed):
            await self.close()
        if self._client is None:
            self._client = await connect_nats(self._access, self._url, self._name, on_error=lambda _: None)
        return self._client.jetstream(timeout=NATS_PUBLISH_S)

    async def asked(self, what: Awaitable[T]) -> T:
        """The result; a failure of NATS is ``Unavailable``, and the connection is made anew."""
        import nats.errors

        try:
            return await what
        except (nats.errors.Error, TimeoutError, OSError) as error:
            if isinstance(error, nats.errors.ConnectionClosedError | nats.errors.TimeoutError | OSError):
                await self.close()
            raise Unavailable(self._url, str(error) or type(error).__name__) from error

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.leave()


class NatsSink:
    """Publishes below ``subject``: ``{subject}.{kind}``."""

    manifest = SinkManifest(
        product="NATS JetStream", effect="once", known_by="Nats-Msg-Id, within the stream's duplicate window",
        max_items=1_000, max_bytes=4_000_000,
    )  # fmt: skip

    def __init__(self, context: ConnectorContext) -> None:
        self._line = _Line(context)
        self._subject = context.option("subject")
        self._stream = context.option("stream", "")

    def encode(self, item: Item) -> bytes:
        return to_json(plain(item) | ({"raw": item.raw} if item.raw else {}))

    async def send(self, parcel: Parcel) -> Answer:
        """All at once; what was acknowledged up to the first that was not is taken."""
        stream = await self._line.jetstream()
        sent = [
            self._line.asked(
                stream.publish(
                    f"{self._subject}.{item.kind}", form, stream=self._stream or None, headers={"Nats-Msg-Id": item.id}
                )
            )
            for item, form in zip(parcel.items, parcel.forms, strict=True)
        ]
        results = await asyncio.gather(*sent, return_exceptions=True)
        again: dict[int, str] = {}
        for place, result in enumerate(results):
            if isinstance(result, Unavailable):
                again[place] = result.message
            elif isinstance(result, BaseException):
                raise result
        return Answer(again=again) if again else TAKEN

    async def close(self) -> None:
        await self._line.close()


class NatsSource:
    """One stream, a message a line; ``subject`` narrows it."""

    manifest = SourceManifest(product="NATS JetStream", rereads=True, waiting_unit="messages")

    def __init__(self, context: ConnectorContext) -> None:
        self._line = _Line(context)
        self._name = context.name
        self._stream = context.option("stream")
        self._subject = context.option("subject", ">")
        self._from = context.chosen("start", "earliest", ("earliest", "latest"))
        self._clock = context.clock

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:
        stream = await self._line.jetstream()
        info = await self._line.asked(stream.stream_info(self._stream))
        state, made = info.state, _made(info)
        begins = max(state.first_seq, 1)
        start, gap = begins if self._from == "earliest" else state.last_seq + 1, 0
        if position:
            start, known = _place(position)
            if known and made and known != made:
                # Its numbers began anew, and may have come further than they were: those up to there would be missed.
                raise PositionGone(self._name, f"the stream was made anew at {made}", go_on=_written(begins, made))
        if start > state.last_seq + 1:
            # It is another stream than it was: what comes next would be waited for in vain.
            raise PositionGone(
                self._name, f"the stream ends with message {state.last_seq}", go_on=_written(begins, made)
            )
        if start < begins:
            if until:
                raise PositionGone(self._name, f"the stream begins with message {begins}", go_on=_written(begins, made))
            gap, start = begins - start, begins
        last = _place(until)[0] - 1 if until else state.last_seq
        if start > last:
            await self._clock.sleep(min(within_s, _LOOK_S))
            return Drawn(b"", _written(start, made), 0, gap)
        lines: list[bytes] = []
        size, next_seq = 0, start
        while next_seq <= last and size < max_bytes:
            message = await self._line.asked(_found(stream, self._stream, next_seq, self._subject))
            if message is None or message.seq > last:
                next_seq = last + 1
                break
            line = b" ".join((message.data or b"").split(b"\n")) + b"\n"
            lines.append(line)
            size += len(line)
            next_seq = message.seq + 1
        waiting = max(0, state.last_seq + 1 - next_seq)
        return Drawn(b"".join(lines), until or _written(next_seq, made), waiting, gap)

    def check(self, position: str) -> None:
        _place(position)

    async def check_reach(self, position: str) -> None:
        stream = await self._line.jetstream()
        info = await self._line.asked(stream.stream_info(self._stream))
        state, made = info.state, _made(info)
        seq, known = _place(position)
        if known and made and known != made:
            raise InvalidInput(
                "position", f"is of another stream {self._stream} than there is, which was made at {made}"
            )
        if seq > state.last_seq + 1:
            told = f"messages {state.first_seq} to {state.last_seq}" if state.messages else "no messages"
            reason = f"is beyond the end of stream {self._stream}, which has {told}; the next is {state.last_seq + 1}"
            raise InvalidInput("position", reason)

    async def settle(self, position: str) -> None:
        """Nothing: the stream forgets by its own rules."""

    async def close(self) -> None:
        await self._line.close()


def _place(position: str) -> tuple[int, str]:
    """The number of the next message, and when its stream was made; empty where that was not written."""
    number, _, made = position.partition("@")
    if not (number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS and len(made) <= _MAX_MADE_CHARS):
        raise InvalidInput("position", "is no number of a message")
    return int(number), made


def _written(seq: int, made: str) -> str:
    return f"{seq}@{made}" if made else str(seq)


def _made(info: Any) -> str:
    """When the stream was made, which tells it from another of its name; empty where nobody says so."""
    made = getattr(info, "created", None)
    return "" if made is None else str(made.isoformat())


async def _found(stream: Any, name: str, seq: int, subject: str) -> Any:
    """The first message of the subject from ``seq`` on; None when there is none."""
    import nats.js.errors

    try:
        return await stream.get_msg(name, seq=seq, subject=subject, next=True)
    except nats.js.errors.NotFoundError:
        return None


def nats_sink(context: ConnectorContext) -> NatsSink:
    """Plug-in ``nats``. ``url``, ``subject``; ``stream`` (which must take it), ``ca_file``, secret ``nkey``."""
    context.only(*_OPTIONS, "subject", secrets=("nkey",))
    return NatsSink(context)


def nats_source(context: ConnectorContext) -> NatsSource:
    """Plug-in ``nats``. ``url``, ``stream``; ``subject``, ``start``, ``ca_file``, secret ``nkey``."""
    context.only(*_OPTIONS, "subject", "start", secrets=("nkey",))
    return NatsSource(context)
