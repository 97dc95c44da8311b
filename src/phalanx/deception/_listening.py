"""Decoys that listen: real ports, each connection one dialogue, each touch one capture.

Whoever connects is a suspect by definition, so nothing is ever refused for what it says, and nothing it
says has an effect but to be kept. All of a connection is bounded: time, silence, bytes in, bytes out.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from phalanx.core import NO_TRACE, NS_PER_S, Clock, Connection, IdSource, Listeners, Listening, Unavailable
from phalanx.deception._dialogues import DIALOGUES, Dialogue
from phalanx.deception._limits import (
    CONNECTION_S,
    MAX_CAPTURE_BYTES,
    MAX_OPEN,
    MAX_OPEN_PER_PEER,
    MAX_READ_BYTES,
    MAX_SENT_BYTES,
    MAX_TOUCHES_PER_MINUTE,
    READ_BYTES,
    SILENCE_S,
)
from phalanx.deception._model import Capture, Decoys

Touched = Callable[[Capture], Awaitable[None]]
_MINUTE_NS = 60 * NS_PER_S


@dataclass(slots=True)
class _Heard:
    """What came of one connection so far."""

    size: int = 0
    kept: bytes = b""
    sent: int = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.kept += data[: MAX_CAPTURE_BYTES - len(self.kept)]


class DecoyPorts:
    """The open ports of a node's decoys."""

    def __init__(
        self, decoys: Decoys, users: Mapping[str, str], touched: Touched, *,
        listeners: Listeners, clock: Clock, ids: IdSource,
    ) -> None:  # fmt: skip
        self._decoys = decoys
        self._users = users
        self._touched = touched
        self._listeners = listeners
        self._clock = clock
        self._ids = ids
        self._open: list[Listening] = []
        self._peers: Counter[str] = Counter()
        self._recent_ns: deque[int] = deque(maxlen=MAX_TOUCHES_PER_MINUTE)
        # Touches that were not kept whole, because there were too many.
        self.overrun = 0

    async def open(self) -> list[tuple[str, str, int]]:
        """Open every port; kind, host and port of each. Raises ``Unavailable`` when one cannot be had; none is then."""
        opened: list[tuple[str, str, int]] = []
        try:
            for kind, port in self._decoys.ports:
                one = await self._listeners.listen(self._decoys.host, port, self._server(kind), max_open=MAX_OPEN)
                self._open.append(one)
                opened.append((kind, *one.address))
        except Unavailable:
            await self.close()
            raise
        return opened

    async def close(self) -> None:
        while self._open:
            await self._open.pop().close()

    def _server(self, kind: str) -> Callable[[Connection], Awaitable[None]]:
        async def serve(connection: Connection) -> None:
            peer = connection.peer[0]
            if self._peers[peer] >= MAX_OPEN_PER_PEER:
                self.overrun += 1
                return
            self._peers[peer] += 1
            try:
                await self._serve(kind, connection)
            finally:
                self._peers[peer] -= 1
                self._peers += Counter()

        return serve

    async def _serve(self, kind: str, connection: Connection) -> None:
        dialogue, heard, began_ns = DIALOGUES[kind](self._users), _Heard(), self._clock.wall_ns()
        talking = asyncio.ensure_future(self._talk(dialogue, heard, connection))
        timer = asyncio.ensure_future(self._clock.sleep(CONNECTION_S))
        try:
            await asyncio.wait((talking, timer), return_when=asyncio.FIRST_COMPLETED)
            ended = talking.result() if talking.done() else "it took too long"
        finally:
            timer.cancel()
            talking.cancel()
        await connection.close()
        if not self._takes_another():
            self.overrun += 1
            return
        capture = Capture(
            id=self._ids.new(), tenant=self._decoys.tenant, trace=NO_TRACE, at_ns=began_ns, decoy=kind,
            port=connection.local[1], peer=connection.peer[0], peer_port=connection.peer[1],
            ended_ns=self._clock.wall_ns(), size=heard.size, received=heard.kept, facts=dialogue.learned.facts,
            canary=dialogue.learned.canary, ended=ended,
        )  # fmt: skip
        await self._touched(capture)

    async def _talk(self, dialogue: Dialogue, heard: _Heard, connection: Connection) -> str:
        """Until it is over; says why it was."""
        await self._say(dialogue.opened(), heard, connection)
        while heard.size < MAX_READ_BYTES:
            data = await self._next(connection)
            if data is None:
                return "it fell silent"
            if not data:
                return "it hung up"
            heard.add(data)
            said = dialogue.received(data)
            await self._say(said.data, heard, connection)
            if said.over:
                return "the decoy had heard enough"
        return "it sent too much"

    async def _say(self, data: bytes, heard: _Heard, connection: Connection) -> None:
        data = data[: MAX_SENT_BYTES - heard.sent]
        if data:
            heard.sent += len(data)
            await connection.write(data)

    async def _next(self, connection: Connection) -> bytes | None:
        """What comes next; None when nothing comes for too long."""
        reading = asyncio.ensure_future(connection.read(READ_BYTES))
        timer = asyncio.ensure_future(self._clock.sleep(SILENCE_S))
        try:
            await asyncio.wait((reading, timer), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            timer.cancel()
            reading.cancel()

    def _takes_another(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if len(self._recent_ns) == MAX_TOUCHES_PER_MINUTE and now_ns - self._recent_ns[0] < _MINUTE_NS:
            return False
        self._recent_ns.append(now_ns)
        return True
