"""Bare nats-py between two processes, in clear and without TLS: what messaging over NATS is compared with."""

import asyncio
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from phalanx.core import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_SUBJECT = "bare"
_TICK_S = 0.001
_STAMP_BYTES = 8
_FLUSH_EVERY = 256


@dataclass(frozen=True, slots=True)
class Bare:
    """Which end this is, and what is sent: at a pace for a while, then ``n`` as fast as it goes."""

    sends: bool
    url: str
    per_s: float
    seconds: float
    n: int
    body_bytes: int

    @property
    def paced(self) -> int:
        return int(self.per_s * self.seconds)


def serve_bare(bare: Bare, pipe: Connection) -> None:
    """One end's whole life: it says that it is there, and then what it measured."""
    asyncio.run(_send(bare, pipe) if bare.sends else _receive(bare, pipe))


async def _receive(bare: Bare, pipe: Connection) -> None:
    """Times of what came at a pace, in milliseconds, and the CPU seconds that the rest took."""
    import nats

    client = await nats.connect(bare.url)
    took_ms: list[float] = []
    left, cpu_ns, done = bare.paced + bare.n, 0, asyncio.Event()

    async def take(message: "Msg") -> None:
        nonlocal left, cpu_ns
        if left > bare.n:
            took_ms.append((time.time_ns() - int.from_bytes(message.data[:_STAMP_BYTES])) / NS_PER_MS)
        left -= 1
        if left == bare.n:
            cpu_ns = time.process_time_ns()
        if not left:
            done.set()

    await client.subscribe(_SUBJECT, cb=take)
    await client.publish(f"{_SUBJECT}.there", b"")
    await client.flush()
    pipe.send("ready")
    await done.wait()
    pipe.send((took_ms, (time.process_time_ns() - cpu_ns) / NS_PER_S))


async def _send(bare: Bare, pipe: Connection) -> None:
    """CPU seconds and seconds that sending as fast as it goes took."""
    import nats

    client = await nats.connect(bare.url)
    pipe.send("ready")
    filler, sent, started_ns = bytes(bare.body_bytes), 0, time.perf_counter_ns()
    while sent < bare.paced:
        now_s = (time.perf_counter_ns() - started_ns) / NS_PER_S
        while sent < min(bare.paced, now_s * bare.per_s):
            await client.publish(_SUBJECT, time.time_ns().to_bytes(_STAMP_BYTES) + filler)
            sent += 1
        await asyncio.sleep(_TICK_S)
    await client.flush()
    cpu_ns, started_ns = time.process_time_ns(), time.perf_counter_ns()
    body = bytes(_STAMP_BYTES) + filler
    for number in range(bare.n):
        await client.publish(_SUBJECT, body)
        if number % _FLUSH_EVERY == 0:
            await client.flush()
    await client.flush()
    pipe.send(((time.process_time_ns() - cpu_ns) / NS_PER_S, (time.perf_counter_ns() - started_ns) / NS_PER_S))
