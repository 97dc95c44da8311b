"""Datagrams over NATS (extra ``cluster``): core.Transport on one connection per process.

Invariants:

1. What is sent while there is no connection waits within a bound, the oldest giving way; what
   arrives faster than it is taken is dropped beyond a bound. Both are counted, never silent.
2. A connection that broke, fell silent or was cut by the server is made anew until ``close``,
   and its subscription with it. What was under way is lost: datagrams may be.
3. Who sent a datagram is what its sender says. Only a channel above proves it.

Besides, places may say that they are here, to whoever listens on the same path: that is how they find each other.

Two transports of one process with different ``path`` share nothing: each has its connection
and its subjects, so that one can stand in when the other is cut off.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from phalanx.adapters._limits import (
    MAX_NATS_ADDRESS_CHARS,
    MAX_NATS_DATAGRAM_BYTES,
    MAX_NATS_SUBJECTS,
    MAX_NATS_WAITING,
    MAX_NATS_WAITING_BYTES,
    NATS_PAUSE_MAX_S,
    NATS_PAUSE_S,
)
from phalanx.adapters.nats._client import NatsAccess, connect_nats, refuses_us, subscribe
from phalanx.core import Clock, InvalidInput, LimitExceeded, Rng, Unavailable
from phalanx.telemetry import Telemetry

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from phalanx.adapters.nats._client import NatsClient

# Subjects begin with this, so that a server may be shared with others.
SUBJECT_ROOT = "phalanx"


class Waiting:
    """Datagrams in order, within a bound of number and bytes."""

    __slots__ = ("_items", "dropped", "n_bytes")

    def __init__(self) -> None:
        self._items: deque[tuple[str, bytes]] = deque()
        self.n_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, place: str, datagram: bytes) -> None:
        self._items.append((place, datagram))
        self.n_bytes += len(datagram)

    def take(self) -> tuple[str, bytes]:
        place, datagram = self._items.popleft()
        self.n_bytes -= len(datagram)
        return place, datagram

    def has_room(self, n_bytes: int) -> bool:
        return len(self._items) < MAX_NATS_WAITING and self.n_bytes + n_bytes <= MAX_NATS_WAITING_BYTES

    def drop_oldest(self) -> None:
        self.take()
        self.dropped += 1


class NatsTransport:
    """One process's place on a NATS server; implements core.Transport. Made by ``open``."""

    def __init__(self, access: NatsAccess, address: str, *, path: str, clock: Clock, telemetry: Telemetry) -> None:
        self._access = access
        self._address = address
        self._prefix = f"{SUBJECT_ROOT}.{_token(path)}."
        self._own_subject = self._prefix + _token(address)
        self._here_subject = f"{SUBJECT_ROOT}.{_token(path)}-here"
        self._on_here: Callable[[str, bytes], None] | None = None
        self._clock = clock
        self._urls = itertools.cycle(access.urls)
        self._subjects: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._outbox, self._inbox = Waiting(), Waiting()
        self._something_to_do, self._arrived, self._up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_open = True
        self._why_down = "not connected yet"
        self._max_payload = MAX_NATS_DATAGRAM_BYTES
        self._log = telemetry.log.bind(room="adapters", address=address, path=path)
        metrics = telemetry.metrics
        self._sent = metrics.counter("phalanx_nats_sent_total", "Datagrams given to NATS.", ("path",)).labels(path)
        self._got = metrics.counter("phalanx_nats_received_total", "Datagrams received from NATS.", ("path",)).labels(
            path
        )
        self._connects = metrics.counter(
            "phalanx_nats_connects_total", "Connections made to a NATS server.", ("path",)
        ).labels(path)
        self._connected = metrics.gauge("phalanx_nats_connected", "1 while connected to NATS.", ("path",)).labels(path)
        dropped = metrics.counter(
            "phalanx_nats_dropped_total",
            "Datagrams dropped: nobody took them in time (inbox), or no connection carried them (outbox).",
            ("path", "where"),
        )
        self._unheard = metrics.counter(
            "phalanx_nats_unheard_total", "Datagrams sent to a place where nobody was listening.", ("path",)
        ).labels(path)
        self._dropped_in, self._dropped_out = dropped.labels(path, "inbox"), dropped.labels(path, "outbox")

    @classmethod
    async def open(
        cls,
        access: NatsAccess,
        address: str,
        *,
        clock: Clock,
        rng: Rng,
        telemetry: Telemetry,
        path: str = "primary",
        must_connect: bool = True,
    ) -> "NatsTransport":
        """Take the place ``address``. Raises ``Unavailable`` when no server lets us in.

        Without ``must_connect`` a server that is not there yet is waited for in the background.
        """
        transport = cls(access, address, path=path, clock=clock, telemetry=telemetry)
        client: NatsClient | None = None
        for left in reversed(range(len(access.urls))):
            try:
                client = await transport._connect()
                break
            except Unavailable as error:
                if error.what not in access.urls or refuses_us(error.reason) or (must_connect and not left):
                    raise
                transport._went_down(error.reason)
        transport._task = asyncio.get_running_loop().create_task(transport._keep(client, rng))
        return transport

    @property
    def address(self) -> str:
        return self._address

    @property
    def max_datagram(self) -> int:
        """The most bytes that the server takes at once."""
        return self._max_payload

    @property
    def is_connected(self) -> bool:
        return self._up.is_set()

    @property
    def told(self) -> str:
        """How it is, for a person."""
        if self.is_connected:
            return "connected" if not self.dropped else f"connected; {self.dropped} datagrams were dropped"
        return self._why_down

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped here for lack of room, in both directions."""
        return self._outbox.dropped + self._inbox.dropped

    async def wait_connected(self) -> None:
        """Wait until there is a connection on which datagrams arrive."""
        await self._up.wait()

    def send(self, to: str, datagram: bytes) -> None:
        if len(datagram) > self._max_payload:
            raise LimitExceeded("bytes of a datagram over NATS", maximum=self._max_payload, seen=len(datagram))
        if not self._is_open:
            return
        subject = self._subjects.get(to)
        if subject is None:
            if len(self._subjects) >= MAX_NATS_SUBJECTS:
                self._subjects.clear()
            subject = self._subjects[to] = self._prefix + _token(to)
        while self._outbox and not self._outbox.has_room(len(datagram)):
            self._outbox.drop_oldest()
            self._dropped_out.inc()
        self._outbox.add(subject, datagram)
        self._something_to_do.set()

    def here(self, note: bytes) -> None:
        """Say to all who listen on this path that we are here. What they hear is as little proved as a sender is."""
        if self._is_open and self.is_connected:
            self._outbox.add(self._here_subject, note)
            self._something_to_do.set()

    def listen(self, heard: Callable[[str, bytes], None]) -> None:
        """Have ``heard`` called with who says that it is here, and its note."""
        self._on_here = heard

    async def receive(self) -> tuple[str, bytes]:
        while not self._inbox:
            if not self._is_open:
                self._arrived.set()  # whoever else waits must see it too
                raise Unavailable(self._address, "its transport is closed")
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.take()

    async def close(self) -> None:
        """Send what waits, if there is a connection, and leave."""
        if not self._is_open:
            return
        self._is_open = False
        self._something_to_do.set()
        self._arrived.set()
        if self._task is not None:
            if not self.is_connected:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self, client: "NatsClient | None", rng: Rng) -> None:
        """Have a connection for as long as this is open."""
        pauses = nats_pauses(rng)
        try:
            while self._is_open:
                if client is None:
                    await self._clock.sleep(next(pauses))
                    try:
                        client = await self._connect()
                    except Unavailable as error:
                        self._went_down(error.reason)
                        continue
                pauses = nats_pauses(rng)
                await self._pour(client)
                await client.leave()
                if self._is_open:
                    self._went_down(client.why or "the connection ended")
                client = None
        finally:
            self._up.clear()
            self._connected.set(0)
            if client is not None:
                await client.leave()

    async def _connect(self) -> "NatsClient":
        """A client that is subscribed, on the next of the servers."""
        url = next(self._urls)
        client = await connect_nats(self._access, url, self._address, on_error=self._heard)
        try:
            await subscribe(client, url, self._here_subject, self._take_notice)
            await subscribe(client, url, self._own_subject, self._take_in)
        except BaseException:
            await client.leave()
            raise
        self._max_payload = min(client.max_payload, MAX_NATS_DATAGRAM_BYTES)
        self._why_down = ""
        self._connects.inc()
        self._connected.set(1)
        self._up.set()
        self._log.info("connected to NATS", url=url)
        return client

    async def _pour(self, client: "NatsClient") -> None:
        """Send what is to be sent until the connection is lost or this is closed."""
        import nats.errors

        alarm = asyncio.get_running_loop().create_task(self._wake_when_lost(client))
        try:
            while not client.lost.is_set():
                self._something_to_do.clear()
                while self._outbox and not client.lost.is_set():
                    subject, datagram = self._outbox.take()
                    await client.publish(subject, datagram, reply=self._own_subject)
                    self._sent.inc()
                if not self._is_open:
                    return
                await self._something_to_do.wait()
        except (OSError, nats.errors.Error) as error:
            client.why = str(error)
        finally:
            alarm.cancel()

    async def _wake_when_lost(self, client: "NatsClient") -> None:
        await client.lost.wait()
        self._something_to_do.set()

    def _source_of(self, message: "Msg") -> str | None:
        source = self._places.get(message.reply)
        if source is None and message.reply.startswith(self._prefix):
            if len(self._places) >= MAX_NATS_SUBJECTS:
                self._places.clear()
            source = self._places[message.reply] = unquote(message.reply[len(self._prefix) :])
        return source

    def _take_notice(self, message: "Msg") -> None:
        source = self._source_of(message)
        if source is not None and self._on_here is not None:
            self._on_here(source, message.data)

    def _take_in(self, message: "Msg") -> None:
        datagram, source = message.data, self._source_of(message)
        if source is None:
            if not message.reply and message.headers:
                self._unheard.inc()  # the server's word that nobody is where we sent something
            return
        self._got.inc()
        if not self._inbox.has_room(len(datagram)):
            if not self._inbox.dropped:
                self._log.warning("datagrams arrive faster than they are taken, and are dropped")
            self._inbox.dropped += 1
            self._dropped_in.inc()
            return
        self._inbox.add(source, datagram)
        self._arrived.set()

    def _heard(self, error: Exception) -> None:
        import nats.errors

        if isinstance(error, nats.errors.SlowConsumerError):
            # nats-py's own queue was full before ours was asked.
            self._inbox.dropped += 1
            self._dropped_in.inc()

    def _went_down(self, why: str) -> None:
        if self.is_connected or not self._why_down:
            # Once per outage: a server that is away must not fill the log.
            self._log.warning("the connection to NATS is lost; trying on", error=why)
        self._why_down = why
        self._up.clear()
        self._connected.set(0)


def _token(name: str) -> str:
    """A name as one token of a subject, where dots, spaces and wildcards mean something."""
    token = quote(name, safe="/:@").replace(".", "%2E")
    if not 1 <= len(token) <= MAX_NATS_ADDRESS_CHARS:
        raise InvalidInput(
            "address", f"{name[:80]!r} is {len(token)} characters long, not 1 to {MAX_NATS_ADDRESS_CHARS}"
        )
    return token


def nats_pauses(rng: Rng) -> Iterator[float]:
    """How long to wait before each attempt: twice as long as before, within bounds, and never all at once."""
    longest = NATS_PAUSE_S
    while True:
        yield longest * (0.5 + rng.random() / 2)
        longest = min(2 * longest, NATS_PAUSE_MAX_S)
