"""Letters between nodes that stand in for each other, over the bus; and when each of them was last heard.

A letter carries missions and what they are about, so it is marked RED for its one reader. The bus passes on only
what a channel proved to come from the process it names.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from phalanx.agents._limits import LETTER_S, MAX_WORDS_AT_WORK, NODE_BEAT_S, NODE_SILENT_S
from phalanx.agents._succession_words import MEMBER, Here, Letter, Word, decode_letter, encode_letter
from phalanx.core import NS_PER_S, Clock, PhalanxError, WireError
from phalanx.messaging import Bus, Envelope, Kind, Marking, Member, MessagingError, process_of
from phalanx.telemetry import Telemetry

W = TypeVar("W")


class SuccessionMail:
    """See the module. ``nodes`` are those that are listened to, this one not among them."""

    def __init__(self, bus: Bus, nodes: Callable[[], frozenset[str]], *, clock: Clock, telemetry: Telemetry) -> None:
        self.process = bus.process
        self._nodes = nodes
        self._clock = clock
        self._log = telemetry.log.bind(room="agents", service=MEMBER)
        self._box = bus.join(Member(MEMBER, clearance=Marking.RED))
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Word]] = {}
        self._heard_ns: dict[str, int] = {}
        self._began_ns = clock.monotonic_ns()
        self._work: set[asyncio.Task[None]] = set()

    @property
    def present(self) -> tuple[str, ...]:
        """The nodes that were heard lately, in order."""
        return tuple(sorted(one for one in self._nodes() if one in self._heard_ns and not self.is_silent(one)))

    def is_silent(self, process: str) -> bool:
        """Whether nothing was heard of a node for so long that it counts as dead."""
        since_ns = max(self._heard_ns.get(process, 0), self._began_ns)
        return self._clock.monotonic_ns() - since_ns >= NODE_SILENT_S * NS_PER_S

    async def ask(self, process: str, word: Word, kind: type[W]) -> W | None:
        """The answer of another node; None when there is none in time, or not such a one."""
        number = next(self._numbers)
        answer: asyncio.Future[Word] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        timer = asyncio.ensure_future(self._clock.sleep(LETTER_S))
        try:
            if not self._post(process, Letter(number, 0, word)):
                return None
            await asyncio.wait((answer, timer), return_when=asyncio.FIRST_COMPLETED)
            said = answer.result() if answer.done() else None
            return said if isinstance(said, kind) else None
        finally:
            timer.cancel()
            answer.cancel()
            del self._answers[number]

    async def beat(self) -> None:
        """Until cancelled: say that this node is there."""
        body = encode_letter(Letter(0, 0, Here()))
        while True:
            for process in sorted(self._nodes()):
                try:
                    self._box.send_nowait(Kind.HEARTBEAT, f"{process}/{MEMBER}", body)
                except MessagingError as error:
                    self._log.debug("a node was not told that this one is there", process=process, reason=error.message)
            await self._clock.sleep(NODE_BEAT_S)

    async def read(self, on_word: Callable[[str, Word], Awaitable[Word | None]]) -> None:
        """Until cancelled: hand on what comes. What ``on_word`` returns is the answer."""
        try:
            async for envelope in self._box:
                source = process_of(envelope.sender)
                if envelope.sender == f"{source}/{MEMBER}" and source in self._nodes():
                    self._take(source, envelope, on_word)
        finally:
            for task in self._work:
                task.cancel()

    def leave(self) -> None:
        self._box.leave()

    def _take(self, source: str, envelope: Envelope, on_word: Callable[[str, Word], Awaitable[Word | None]]) -> None:
        try:
            letter = decode_letter(envelope.body)
        except WireError as error:
            self._log.warning("a letter cannot be read", process=source, reason=error.message)
            return
        self._heard_ns[source] = self._clock.monotonic_ns()
        if letter.answers:
            waiting = self._answers.get(letter.answers)
            if waiting is not None and not waiting.done():
                waiting.set_result(letter.word)
        elif not isinstance(letter.word, Here) and len(self._work) < MAX_WORDS_AT_WORK:
            task = asyncio.create_task(self._answer(source, letter, on_word), name=f"missions of {source}")
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def _answer(
        self, source: str, letter: Letter, on_word: Callable[[str, Word], Awaitable[Word | None]]
    ) -> None:
        try:
            said = await on_word(source, letter.word)
        except PhalanxError as error:
            self._log.warning("a word of another node came to nothing", process=source, reason=error.message)
            return
        if said is not None:
            self._post(source, Letter(next(self._numbers), letter.number, said))

    def _post(self, process: str, letter: Letter) -> bool:
        address = f"{process}/{MEMBER}"
        deadline_ns = self._clock.wall_ns() + round(LETTER_S * NS_PER_S)
        try:
            self._box.send_nowait(
                Kind.COORDINATION, address, encode_letter(letter), deadline_ns=deadline_ns, marking=Marking.RED,
                audience=(address, f"org:{process.rpartition('.')[2]}"),
            )  # fmt: skip
        except MessagingError as error:
            self._log.debug("a letter did not leave", process=process, reason=error.message)
            return False
        return True
