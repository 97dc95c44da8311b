"""Admits noise sources after a start-up test, polls them, and drops one that fails.

A dropped source is alerted at once and stays out, whatever it gives later, until a person has
looked at it and admits it again. The operating system's own source is tested like any other but
cannot be dropped: its bytes are in every token anyway, so its failure is urgent.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from phalanx.core import AlertLevel, AlertSink, Clock, LimitExceeded, NotFound, Offload
from phalanx.crypto.entropy._errors import SourceFailed
from phalanx.crypto.entropy._health import HealthTest
from phalanx.crypto.entropy._limits import MAX_SOURCES, POLL_EVERY_S, POLL_SAMPLES, READ_S, STARTUP_SAMPLES
from phalanx.crypto.entropy._source import NoiseSource
from phalanx.telemetry import Telemetry

SYSTEM = "os"

Stir = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is doing. ``state`` is waiting, healthy or dropped; ``failure`` says why it is dropped."""

    name: str
    state: str
    simulated: bool
    min_entropy: float
    repetition_cutoff: int
    proportion_cutoff: int
    samples: int = 0
    failure: str = ""
    since_ns: int = 0


class NoiseWatch:
    """The sources of one node, their health, and the way of their samples into the pool."""

    def __init__(
        self,
        sources: Sequence[NoiseSource],
        stir: Stir,
        *,
        clock: Clock,
        offload: Offload,
        alerts: AlertSink,
        telemetry: Telemetry,
    ) -> None:
        if len(sources) > MAX_SOURCES:
            raise LimitExceeded("entropy sources", maximum=MAX_SOURCES, seen=len(sources))
        self._sources = {source.name: source for source in sources}
        self._stir = stir
        self._clock = clock
        self._offload = offload
        self._alerts = alerts
        self._failures = telemetry.metrics.counter(
            "phalanx_entropy_failures_total", "Health tests that an entropy source failed.", ("source", "test")
        )
        self._healthy = telemetry.metrics.gauge(
            "phalanx_entropy_source_healthy", "1 while an entropy source is in use, 0 when it is not.", ("source",)
        )
        self._tests = {name: _fresh(source) for name, source in self._sources.items()}
        self._status = {name: _waiting(source, self._tests[name]) for name, source in self._sources.items()}

    def status(self) -> list[SourceStatus]:
        return list(self._status.values())

    @property
    def sound(self) -> bool:
        """Whether the operating system's source is not known to be broken."""
        return SYSTEM not in self._status or self._status[SYSTEM].state != "dropped"

    def told(self) -> str:
        """One line for people."""
        parts = [f"{one.name} {one.state}{' (simulated)' if one.simulated else ''}" for one in self._status.values()]
        return ", ".join(parts) or "the operating system's alone"

    def find(self, name: str) -> SourceStatus:
        if name not in self._status:
            raise NotFound("entropy source", name, hint=f"there are {', '.join(self._status) or 'none'}")
        return self._status[name]

    async def start_up(self) -> None:
        """Test each source on its first samples, and use those that pass."""
        for name in self._sources:
            await self._take(name, STARTUP_SAMPLES)

    async def run(self) -> None:
        """Poll the sources for as long as the node runs."""
        while True:
            await self._clock.sleep(POLL_EVERY_S)
            await self.poll()

    async def poll(self) -> None:
        """Take samples of every source in use."""
        for name, status in list(self._status.items()):
            if status.state == "healthy":
                await self._take(name, POLL_SAMPLES)

    async def readmit(self, name: str) -> SourceStatus:
        """Put a dropped source through a start-up test again. Raises ``SourceFailed`` when it fails again."""
        self.find(name)
        self._tests[name] = _fresh(self._sources[name])
        failed = await self._take(name, STARTUP_SAMPLES)
        if failed is not None:
            raise failed
        return self._status[name]

    async def _take(self, name: str, n_samples: int) -> SourceFailed | None:
        """Samples of a source, tested and then stirred in. What failed is never stirred in."""
        source, status = self._sources[name], self._status[name]
        try:
            samples = await self._read(source, n_samples)
            self._tests[name].feed(samples)
        except SourceFailed as failed:
            self._drop(name, failed)
            return failed
        self._stir(name, samples)
        since_ns = status.since_ns if status.state == "healthy" else self._clock.wall_ns()
        self._status[name] = replace(
            status, state="healthy", failure="", samples=status.samples + len(samples), since_ns=since_ns
        )
        self._healthy.labels(name).set(1)
        return None

    async def _read(self, source: NoiseSource, n_samples: int) -> bytes:
        try:
            async with asyncio.timeout(READ_S):
                samples = await self._offload.run(source.read, n_samples)
        except TimeoutError:
            raise SourceFailed(source.name, "reading", f"it gave nothing within {READ_S:g} s") from None
        except SourceFailed:
            raise
        except Exception as error:
            raise SourceFailed(source.name, "reading", f"{type(error).__name__}: {error}") from error
        if len(samples) != n_samples:
            raise SourceFailed(source.name, "reading", f"it gave {len(samples)} of {n_samples} samples")
        return samples

    def _drop(self, name: str, failed: SourceFailed) -> None:
        self._status[name] = replace(
            self._status[name], state="dropped", failure=failed.message, since_ns=self._clock.wall_ns()
        )
        self._healthy.labels(name).set(0)
        self._failures.labels(name, failed.test).inc()
        if name == SYSTEM:
            text = f"the operating system's entropy failed its {failed.test} test: {failed.reason}"
            self._alerts.alert(AlertLevel.URGENT, "crypto", text, source=name, test=failed.test)
        else:
            text = f"entropy source {name} is dropped: it failed its {failed.test} test: {failed.reason}"
            self._alerts.alert(AlertLevel.WARNING, "crypto", text, source=name, test=failed.test)


def _fresh(source: NoiseSource) -> HealthTest:
    return HealthTest(source.name, source.min_entropy, source.sample_bits)


def _waiting(source: NoiseSource, test: HealthTest) -> SourceStatus:
    return SourceStatus(
        source.name, "waiting", source.simulated, source.min_entropy, test.repetition_cutoff, test.proportion_cutoff
    )
