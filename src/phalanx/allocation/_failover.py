"""A run that goes on elsewhere when a device fails, and breakers that keep work away from what has failed.

A breaker is closed, open, or half open. ``DEVICE_FAILURES`` failures in a row open a device's, ``PROVIDER_FAILURES`` a
provider's. These are floors: what fails now and then anyway takes as many in a row as would be a coincidence of one in
a hundred, at most ``MAX_FAILURES``. While it is open nothing is sent there. After its pause one run is let through: if
that works the breaker closes, if not it opens for twice as long. Every device of a provider counts for the provider's.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from phalanx.allocation._errors import DeviceFailed, NoDeviceLeft
from phalanx.allocation._limits import (
    BREAKER_PAUSE_S,
    COINCIDENCE,
    DEVICE_FAILURES,
    FIRST_FAILURE_RATE,
    MAX_BREAKER_PAUSE_S,
    MAX_BREAKERS,
    MAX_FAILURES,
    PROVIDER_FAILURES,
    RUNS_REMEMBERED,
)
from phalanx.core import NS_PER_S, Clock

T = TypeVar("T")


@dataclass(slots=True)
class _Breaker:
    rate: float = FIRST_FAILURE_RATE
    failures: int = 0
    opened: int = 0
    open_until_ns: int = 0
    trying: bool = False

    def learn(self, failed: float) -> None:
        """How often runs fail while it is closed: an outage says nothing of that."""
        if not self.opened:
            self.rate += (failed - self.rate) / RUNS_REMEMBERED

    def limit(self, floor: int) -> int:
        """Failures in a row that open it."""
        if self.rate <= COINCIDENCE:
            return floor
        return min(MAX_FAILURES, max(floor, math.ceil(math.log(COINCIDENCE) / math.log(min(0.99, self.rate)))))


class Breakers:
    """One for each device and each provider. Times are of a clock that never goes back.

    ``adaptive``: what usually fails now and then is given as many failures in a row more as that makes likely.
    """

    def __init__(self, *, adaptive: bool = True) -> None:
        self._adaptive = adaptive
        self._of: dict[tuple[str, str], _Breaker] = {}

    def allows(self, device: str, provider: str, now_ns: int) -> bool:
        """Whether a run may be sent there now."""
        return all(
            not one.opened or (now_ns >= one.open_until_ns and not one.trying) for one in self._both(device, provider)
        )

    def pause_s(self, device: str, provider: str, now_ns: int) -> float | None:
        """For how long nothing is sent there yet; 0 where one run is let through, nothing where all are."""
        opened = [one.open_until_ns for one in self._both(device, provider) if one.opened]
        return max(0, max(opened) - now_ns) / NS_PER_S if opened else None

    def began(self, device: str, provider: str) -> None:
        """A run is on its way there; through a half-open breaker it is the only one."""
        for one in self._both(device, provider):
            one.trying = one.opened > 0

    def worked(self, device: str, provider: str) -> None:
        for one in self._both(device, provider):
            one.learn(0.0)
            one.failures, one.opened, one.trying = 0, 0, False

    def gave_up(self, device: str, provider: str) -> None:
        """The run ended without a word on the device: it was cancelled, or the circuit was at fault."""
        for one in self._both(device, provider):
            one.trying = False

    def failed(self, device: str, provider: str, now_ns: int) -> None:
        for one, most in zip(self._both(device, provider), (DEVICE_FAILURES, PROVIDER_FAILURES), strict=True):
            if one.opened and not one.trying and now_ns < one.open_until_ns:
                continue  # It was under way when the breaker opened: that says nothing new.
            one.failures += 1
            limit = one.limit(most) if self._adaptive else most
            one.learn(1.0)
            if one.opened or one.failures >= limit:
                one.opened += 1
                pause_s = min(MAX_BREAKER_PAUSE_S, BREAKER_PAUSE_S * 2.0 ** min(one.opened - 1, 16))
                one.open_until_ns = now_ns + int(pause_s * NS_PER_S)
            one.trying = False

    def _both(self, device: str, provider: str) -> tuple[_Breaker, _Breaker]:
        if len(self._of) > MAX_BREAKERS:
            self._of.clear()  # Devices of names without end: what is forgotten is learned again.
        return (
            self._of.setdefault(("device", device), _Breaker()),
            self._of.setdefault(("provider", provider), _Breaker()),
        )


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """What a run gave, where, and which devices failed on the way, with what they said."""

    value: T
    device: str
    failed: tuple[tuple[str, str], ...]


Attempt = Callable[[frozenset[str], Callable[[str], None]], Awaitable[tuple[str, T]]]
"""Is given the devices that are left and told to call back with the one it sends to; raises ``DeviceFailed``."""


async def run_somewhere(providers: Mapping[str, str], attempt: Attempt[T], breakers: Breakers, clock: Clock) -> Ran[T]:
    """Try ``providers``' devices (each with its provider) until one answers. Raises ``NoDeviceLeft``."""
    failed: list[tuple[str, str]] = []
    while True:
        now_ns = clock.monotonic_ns()
        tried = {name for name, _ in failed}
        left = frozenset(
            name
            for name, provider in providers.items()
            if name not in tried and breakers.allows(name, provider, now_ns)
        )
        if not left:
            paused = [(name, "paused after failures") for name in sorted(providers.keys() - tried)]
            raise NoDeviceLeft([f"{name}: {said}" for name, said in (*failed, *paused)])
        sent: list[str] = []

        def began(name: str, sent: list[str] = sent) -> None:
            sent.append(name)
            breakers.began(name, providers[name])

        try:
            device, value = await attempt(left, began)
        except DeviceFailed as error:
            breakers.failed(error.device, providers[error.device], clock.monotonic_ns())
            failed.append((error.device, error.reason))
        except BaseException:
            for name in sent:
                breakers.gave_up(name, providers[name])
            raise
        else:
            breakers.worked(device, providers[device])
            return Ran(value, device, tuple(failed))
