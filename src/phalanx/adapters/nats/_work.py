"""A node's and a worker's ends of the queue of pieces, over NATS JetStream (extra ``cluster``).

Invariants:

1. Tickets lie in a work-queue stream on disk; a ticket that is not acknowledged within the lease is handed out again.
   A ticket says nothing but that there is a piece.
2. Results lie in another stream, the last of each piece, for an hour: a node that was away finds them.
3. All else is sealed under the secret of the one worker that it is of; what does not open is dropped and counted.
4. A connection that breaks is made anew for as long as the end is served. What needs one meanwhile is ``Unavailable``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from phalanx.adapters._limits import (
    MAX_NATS_RESULT_BYTES,
    MAX_NATS_TICKETS,
    NATS_PUBLISH_S,
    NATS_RESULTS_S,
)
from phalanx.adapters.nats._client import NatsAccess, connect_nats, refuses_us
from phalanx.adapters.nats._config import DONE_STREAM, TODO_STREAM, WORK_SUBJECT, WORKERS_CONSUMER
from phalanx.adapters.nats._transport import nats_pauses
from phalanx.core import Clock, EntropySource, InvalidInput, Rng, Unavailable
from phalanx.crypto import NotAuthentic
from phalanx.workflows.workers import (
    ANSWER_S,
    LEASE_S,
    TAKE_S,
    Answer,
    Ask,
    Beat,
    CrewEnd,
    Done,
    Granted,
    Refused,
    Taken,
    Ticket,
    WorkerSeals,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from phalanx.adapters.nats._client import NatsClient

T = TypeVar("T")
Workers = Mapping[str, WorkerSeals]
_TODO, _ASK, _BEAT, _DONE = (f"{WORK_SUBJECT}.{what}" for what in ("todo", "ask", "beat", "done"))
_ticket = msgspec.msgpack.Decoder(Ticket)
_result = msgspec.msgpack.Decoder(tuple[str, bytes])


class _Held:
    """A connection that is there again when it was lost."""

    def __init__(self, name: str, clock: Clock, rng: Rng) -> None:
        self._name, self._clock, self._rng = name, clock, rng
        self._client: NatsClient | None = None
        self._url = ""
        self._up = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        return self._client is not None and not self._client.lost.is_set() and self._up.is_set()

    async def keep(self, access: NatsAccess, prepared: Callable[["NatsClient"], Awaitable[None]]) -> None:
        """Have a connection until cancelled; ``prepared`` makes each ready. Raises when we are let in no more."""
        pauses, at = nats_pauses(self._rng), 0
        while True:
            self._url, at = access.urls[at % len(access.urls)], at + 1
            client: NatsClient | None = None
            try:
                client = await connect_nats(access, self._url, self._name, on_error=lambda _: None)
                self._client = client
                await self.asked(prepared(client))
                pauses = nats_pauses(self._rng)
                self._up.set()
                await client.lost.wait()
            except Unavailable as error:
                if refuses_us(error.reason):
                    raise
            finally:
                self._up.clear()
                if client is not None:
                    await client.leave()
            await self._clock.sleep(next(pauses))

    async def wait(self) -> None:
        await self._up.wait()

    def client(self) -> "NatsClient":
        """Raises ``Unavailable``."""
        if self._client is None or self._client.lost.is_set() or not self._up.is_set():
            raise Unavailable("the queue", "there is no connection")
        return self._client

    async def asked(self, what: Awaitable[T]) -> T:
        """The result; whatever NATS raises is ``Unavailable``."""
        import nats.errors

        try:
            return await what
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(self._url, str(error) or type(error).__name__) from error


class NatsCrewLine:
    """A ``CrewLine``. ``workers`` are the seals of those that may work, by name, as they are now."""

    def __init__(
        self, access: Callable[[], Awaitable[NatsAccess]], workers: Workers, *, clock: Clock, rng: Rng,
        entropy: EntropySource,
    ) -> None:  # fmt: skip
        self._access = access
        self._workers = workers
        self._held = _Held("phalanx node, workers", clock, rng)
        self._entropy = entropy
        self._crew: CrewEnd | None = None
        self._is_new = True
        self._answers: set[asyncio.Task[None]] = set()
        self.dropped = 0

    @property
    def is_connected(self) -> bool:
        return self._held.is_connected

    async def serve(self, crew: CrewEnd, /) -> None:
        self._crew = crew
        await self._held.keep(await self._access(), self._prepared)

    async def put(self, ticket: Ticket, /) -> None:
        stream = self._held.client().jetstream(timeout=NATS_PUBLISH_S)
        await self._held.asked(stream.publish(_TODO, msgspec.msgpack.encode(ticket), stream=TODO_STREAM))

    async def kept(self, piece: str, /) -> tuple[str, Done] | None:
        import nats.js.errors

        stream = self._held.client().jetstream(timeout=NATS_PUBLISH_S)

        async def looked() -> Any:
            try:
                return await stream.get_last_msg(DONE_STREAM, f"{_DONE}.{piece}")
            except nats.js.errors.NotFoundError:
                return None

        found = await self._held.asked(looked())
        told = None if found is None else self._opened_done(found.data or b"")
        return told if told is not None and told[1].piece == piece else None

    async def _prepared(self, client: "NatsClient") -> None:
        """Streams as they are to be, and who hears what."""
        stream = client.jetstream(timeout=NATS_PUBLISH_S)
        await _stream(
            stream, name=TODO_STREAM, subjects=[_TODO], retention="workqueue", storage="file",
            max_msgs=MAX_NATS_TICKETS, discard="new",
        )  # fmt: skip
        await _stream(
            stream, name=DONE_STREAM, subjects=[f"{_DONE}.*"], retention="limits", storage="file",
            max_msgs_per_subject=1, max_age=NATS_RESULTS_S, max_bytes=MAX_NATS_RESULT_BYTES, discard="old",
        )  # fmt: skip
        if self._is_new:
            await stream.purge_stream(
                TODO_STREAM
            )  # Of an earlier life of this node, which asks anew for what it wants.
            self._is_new = False
        await stream.add_consumer(
            TODO_STREAM, durable_name=WORKERS_CONSUMER, ack_policy="explicit", ack_wait=LEASE_S,
            max_ack_pending=MAX_NATS_TICKETS,
        )  # fmt: skip
        assert self._crew is not None
        for subject, handle in (
            (f"{_ASK}.*", self._take_ask), (f"{_BEAT}.*", self._take_beat), (f"{_DONE}.*", self._take_done),
        ):  # fmt: skip
            await _hear(client, subject, handle)
        await client.flush()
        self._crew.connected()

    def _seals(self, message: "Msg") -> tuple[str, WorkerSeals] | None:
        name = message.subject.rpartition(".")[2]
        seals = self._workers.get(name)
        return None if seals is None else (name, seals)

    def _take_ask(self, message: "Msg") -> None:
        found = self._seals(message)
        if found is None or self._crew is None or not message.reply:
            self.dropped += 1
            return
        name, seals = found
        word = self._opened(seals, message.data, b"ask")
        if isinstance(word, Ask):
            answer = self._crew.asked(name, word)
            task = asyncio.ensure_future(message.respond(seals.seal(answer, about=b"answer" + message.data[:12])))
            self._answers.add(task)
            task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._answers.discard(task)
        if not task.cancelled():
            task.exception()  # The connection is gone: the worker asks again.

    def _take_beat(self, message: "Msg") -> None:
        found = self._seals(message)
        word = None if found is None else self._opened(found[1], message.data, b"beat")
        if found is not None and isinstance(word, Beat) and self._crew is not None:
            self._crew.heard(found[0], word)

    def _take_done(self, message: "Msg") -> None:
        told = self._opened_done(message.data)
        if told is not None and self._crew is not None:
            self._crew.done(*told)

    def _opened_done(self, data: bytes) -> tuple[str, Done] | None:
        try:
            name, sealed = _result.decode(data)
        except msgspec.DecodeError:
            self.dropped += 1
            return None
        seals = self._workers.get(name)
        word = None if seals is None else self._opened(seals, sealed, b"done")
        return (name, word) if isinstance(word, Done) else None

    def _opened(self, seals: WorkerSeals, data: bytes, about: bytes) -> Any:
        try:
            return seals.open(data, about=about)
        except (NotAuthentic, InvalidInput):
            self.dropped += 1
            return None


class NatsHandLine:
    """A ``HandLine`` of the worker ``name``; ``serve`` keeps its connection."""

    def __init__(self, access: NatsAccess, name: str, seals: WorkerSeals, *, clock: Clock, rng: Rng) -> None:
        self._access, self._worker, self._seals = access, name, seals
        self._held = _Held(f"phalanx worker {name}", clock, rng)
        self._pulling: Any = None
        self._fetching: asyncio.Task[Any] | None = None
        self._returning: list[asyncio.Task[None]] = []

    async def serve(self) -> None:
        """Raises ``Unavailable`` when the server does not let us in, or no more."""
        await self._held.keep(self._access, self._prepared)

    async def wait_connected(self) -> None:
        await self._held.wait()

    async def take(self) -> Taken | None:
        import nats.errors

        self._held.client()
        if self._fetching is None:
            # nats-py swallows cancellations: a pull goes to its end, and what it brought is given back.
            self._fetching = asyncio.ensure_future(self._pulling.fetch(1, timeout=TAKE_S))
        try:
            await asyncio.wait([self._fetching])
        except asyncio.CancelledError:
            self._fetching.add_done_callback(self._given_back)
            self._fetching = None
            raise
        fetching, self._fetching = self._fetching, None
        try:
            (message,) = fetching.result()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            if isinstance(error, TimeoutError) and self._held.is_connected:
                return None
            raise Unavailable("the queue", str(error) or type(error).__name__) from error
        try:
            return Taken(_ticket.decode(message.data), message)
        except msgspec.DecodeError:
            await self._held.asked(message.term())
            return None

    def _given_back(self, fetching: "asyncio.Future[Any]") -> None:
        """A ticket that came when nobody took any more is another worker's."""
        if fetching.cancelled() or fetching.exception() is not None:
            return
        self._returning = [asyncio.ensure_future(message.nak()) for message in fetching.result()]

    async def ask(self, ask: Ask, /) -> Answer:
        sealed = self._seals.seal(ask, about=b"ask")
        client = self._held.client()
        reply = await self._held.asked(client.request(f"{_ASK}.{self._worker}", sealed, timeout=ANSWER_S))
        try:
            word = self._seals.open(reply.data, about=b"answer" + sealed[:12])
        except (NotAuthentic, InvalidInput) as error:
            raise Unavailable("the node", "what answers has not our secret") from error
        if not isinstance(word, Granted | Refused):
            raise Unavailable("the node", "it answers something else")
        return word

    async def beat(self, beat: Beat, /) -> None:
        client = self._held.client()
        sealed = self._seals.seal(beat, about=b"beat")
        await self._held.asked(client.publish(f"{_BEAT}.{self._worker}", sealed))

    async def progress(self, taken: Taken, /) -> None:
        self._held.client()
        await self._held.asked(taken.handle.in_progress())

    async def drop(self, taken: Taken, /) -> None:
        self._held.client()
        await self._held.asked(_unless_known(taken.handle.ack()))

    async def later(self, taken: Taken, after_s: float, /) -> None:
        self._held.client()
        await self._held.asked(taken.handle.nak(delay=after_s))

    async def give(self, done: Done, /) -> None:
        data = msgspec.msgpack.encode((self._worker, self._seals.seal(done, about=b"done")))
        stream = self._held.client().jetstream(timeout=NATS_PUBLISH_S)
        await self._held.asked(stream.publish(f"{_DONE}.{done.piece}", data))

    async def _prepared(self, client: "NatsClient") -> None:
        self._fetching = None
        stream = client.jetstream(timeout=NATS_PUBLISH_S)
        self._pulling = await stream.pull_subscribe_bind(WORKERS_CONSUMER, TODO_STREAM)


async def _hear(client: "NatsClient", subject: str, handle: Callable[["Msg"], None]) -> None:
    async def handler(message: "Msg") -> None:
        handle(message)

    await client.subscribe(subject, cb=handler)


async def _stream(stream: Any, **config: Any) -> None:
    """Made, or brought to what it is to be now."""
    import nats.js.errors

    try:
        await stream.add_stream(**config)
    except nats.js.errors.BadRequestError:
        await stream.update_stream(**config)


async def _unless_known(acknowledged: Awaitable[None]) -> None:
    import nats.errors

    try:
        await acknowledged
    except nats.errors.MsgAlreadyAckdError:
        return
