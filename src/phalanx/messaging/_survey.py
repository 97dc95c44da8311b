"""How far processes are from each other, as they measure it: what a picture of a real cluster is drawn from.

Who wants to know asks every process that it talks to. Each sends a few echoes to every process that *it* talks to,
takes the shortest round trip of each way (whatever else a process does only makes one longer), and answers. A way is
there when either of its ends measured it. Nobody measures more often than every ``SURVEY_KEPT_S``, whoever asks; and a
process can lie about its own ways alone.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from phalanx.core import NS_PER_MS, Clock, InvalidInput, ns_from_s
from phalanx.messaging._kinds import Kind
from phalanx.messaging._limits import (
    ECHO_WAIT_S,
    ECHOES,
    MAX_ADDRESS_CHARS,
    MAX_LINKS,
    MAX_ROUND_TRIP_MS,
    MAX_SURVEY_WAIT_S,
    SURVEY_KEPT_S,
    SURVEY_STEP_S,
)


class SurveyedProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the cluster. Who did not answer in time is silent."""

    process: str
    organisation: str
    answered: bool


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest round trip that was measured between two processes, by either of them."""

    here: str
    there: str
    round_trip_ms: float


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The processes that ``asked_by`` knows, itself among them, and the ways between those that answered."""

    asked_by: str
    at_ns: int
    processes: tuple[SurveyedProcess, ...]
    ways: tuple[Way, ...]


class _Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    number: int


class _Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    number: int
    round_trips_ms: dict[str, float]


class _Echo(msgspec.Struct, frozen=True, array_like=True, tag="echo"):
    number: int


class _Echoed(msgspec.Struct, frozen=True, array_like=True, tag="echoed"):
    number: int


_encoder = msgspec.msgpack.Encoder()
_words = msgspec.msgpack.Decoder(_Ask | _Answer | _Echo | _Echoed)
# Questions and answers are delivered; what is measured is not sent again.
_KINDS: Mapping[type, Kind] = {
    _Ask: Kind.COORDINATION, _Answer: Kind.REPLY, _Echo: Kind.HEARTBEAT, _Echoed: Kind.HEARTBEAT,
}  # fmt: skip
KINDS = frozenset(_KINDS.values())

Say = Callable[[str, Kind, bytes], None]


class Surveyor:
    """See the module. ``say`` sends a word to another process, ``processes`` are those that we talk to."""

    def __init__(self, process: str, clock: Clock, say: Say, processes: Callable[[], tuple[str, ...]]) -> None:
        self._process, self._clock = process, clock
        self._say_to, self._processes = say, processes
        self._number = 0
        self._echoes: dict[int, tuple[str, int]] = {}
        self._measured: dict[str, float] = {}
        self._measured_ns = -1
        self._answers: dict[str, dict[str, float]] = {}
        self._asked: int | None = None
        self._askers: dict[str, int] = {}
        self._wanted = asyncio.Event()
        self._asking, self._measuring = asyncio.Lock(), asyncio.Lock()

    async def run(self) -> None:
        """Answer those who ask. Until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            measured = await self._measure()
            askers, self._askers = self._askers, {}
            for process, number in askers.items():
                self._say(process, _Answer(number, measured))

    def hear(self, process: str, body: bytes) -> None:
        """A word of another process. Raises ``msgspec.DecodeError``."""
        match _words.decode(body):
            case _Echo(number):
                self._say(process, _Echoed(number))
            case _Echoed(number):
                to, sent_ns = self._echoes.pop(number, ("", 0))
                if to == process:
                    took_ms = (self._clock.monotonic_ns() - sent_ns) / NS_PER_MS
                    self._measured[process] = min(took_ms, self._measured.get(process, took_ms))
            case _Ask(number):
                self._askers[process] = number
                self._wanted.set()
            case _Answer(number, round_trips_ms):
                if number == self._asked and len(round_trips_ms) <= MAX_LINKS:
                    self._answers[process] = {
                        name: ms for name, ms in round_trips_ms.items()
                        if 0 < ms <= MAX_ROUND_TRIP_MS and len(name) <= MAX_ADDRESS_CHARS
                    }  # fmt: skip

    async def ask(self, organisation_of: Callable[[str], str], within_s: float) -> Survey:
        """Ask everybody, and wait for who answers, but no longer than ``within_s``."""
        async with self._asking:
            others = self._processes()
            self._number += 1
            self._asked, self._answers = self._number, {}
            for process in others:
                self._say(process, _Ask(self._asked))
            until_ns = self._clock.monotonic_ns() + ns_from_s(within_s)
            own = await self._measure()
            while len(self._answers) < len(others) and self._clock.monotonic_ns() < until_ns:
                await self._clock.sleep(SURVEY_STEP_S)
            self._asked = None
            answers = {self._process: own, **self._answers}
        processes = tuple(
            SurveyedProcess(process=name, organisation=organisation_of(name), answered=name in answers)
            for name in sorted({self._process, *others})
        )
        return Survey(
            asked_by=self._process, at_ns=self._clock.wall_ns(), processes=processes, ways=_ways(answers)
        )  # fmt: skip

    async def _measure(self) -> dict[str, float]:
        """The shortest round trip to each process, in milliseconds."""
        async with self._measuring:
            now_ns = self._clock.monotonic_ns()
            if self._measured_ns < 0 or now_ns - self._measured_ns >= ns_from_s(SURVEY_KEPT_S):
                self._measured = {}
                await self._send_echoes()
                self._measured_ns = self._clock.monotonic_ns()
            return dict(self._measured)

    async def _send_echoes(self) -> None:
        self._echoes.clear()
        for _ in range(ECHOES):
            for process in self._processes():
                self._number += 1
                self._echoes[self._number] = process, self._clock.monotonic_ns()
                self._say(process, _Echo(self._number))
            await self._clock.sleep(SURVEY_STEP_S)
        until_ns = self._clock.monotonic_ns() + ns_from_s(ECHO_WAIT_S)
        while len(self._measured) < len(self._processes()) and self._clock.monotonic_ns() < until_ns:
            await self._clock.sleep(SURVEY_STEP_S)

    def _say(self, process: str, word: msgspec.Struct) -> None:
        self._say_to(process, _KINDS[type(word)], _encoder.encode(word))


def within_reason(within_s: float) -> float:
    """How long a survey may take. Raises ``InvalidInput``."""
    if not 0 < within_s <= MAX_SURVEY_WAIT_S:
        raise InvalidInput("within_s", f"more than 0, {MAX_SURVEY_WAIT_S:g} at most")
    return within_s


def _ways(answers: Mapping[str, Mapping[str, float]]) -> tuple[Way, ...]:
    found: dict[tuple[str, str], float] = {}
    for here, ways in answers.items():
        for there, ms in ways.items():
            if there in answers and there != here:
                pair = min(here, there), max(here, there)
                found[pair] = min(ms, found.get(pair, ms))
    return tuple(Way(here=here, there=there, round_trip_ms=ms) for (here, there), ms in sorted(found.items()))
