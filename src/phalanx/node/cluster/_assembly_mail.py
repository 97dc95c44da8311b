"""The mail of an assembly: what is asked and answered between nodes, and who was heard when.

Every node announces every few seconds that it is present and in which epochs it sits. All of it comes through the
bus, which passes on only what a channel proved to come from the process it names: nobody is heard in another's
name.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from phalanx.consensus import Heard
from phalanx.core import NS_PER_S, Clock, PhalanxError, WireError
from phalanx.messaging import Bus, Envelope, Kind, Member, MessagingError, process_of
from phalanx.node._limits import BEAT_EVERY_S, HEARD_WITHIN_S, MAX_WORDS_AT_WORK, MEMBER
from phalanx.node.cluster._assembly_wire import address_of
from phalanx.node.cluster._assembly_words import Word, decode_beat, decode_word, encode_beat, encode_word, unframed
from phalanx.telemetry import Telemetry

W = TypeVar("W", bound=Word)


class AssemblyMail:
    """See the module. ``roster`` are the nodes that are listened to, this one among them."""

    def __init__(self, bus: Bus, roster: Callable[[], Iterable[str]], *, clock: Clock, telemetry: Telemetry) -> None:
        self._process, self._roster, self._clock = bus.process, roster, clock
        self.box = bus.join(Member(MEMBER))
        self._heard_ns: dict[str, int] = {}
        self._sits: dict[str, tuple[int, tuple[bytes, ...]]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._log = telemetry.log.bind(room="node", service=MEMBER)

    def heard(self) -> dict[str, Heard]:
        """When each of the roster was last heard."""
        heard = {name: Heard(self._heard_ns[name]) for name in self._roster() if name in self._heard_ns}
        return {**heard, self._process: Heard(self._clock.wall_ns())}

    @property
    def present(self) -> frozenset[str]:
        """Who was heard lately."""
        since_ns = self._clock.wall_ns() - round(HEARD_WITHIN_S * NS_PER_S)
        return frozenset(name for name, one in self.heard().items() if one.at_ns >= since_ns)

    def may_sit(self, name: str, epoch: bytes, since_ns: int) -> bool:
        """Whether a node says that it sits in an epoch, or has not had the time to say so ``since_ns``.

        One that started again says soon that it does not.
        """
        said_ns, epochs = self._sits.get(name, (0, ()))
        return epoch in epochs or said_ns < since_ns + round(BEAT_EVERY_S * NS_PER_S)

    async def beat(self, sittings: Callable[[], tuple[bytes, ...]]) -> None:
        """Until cancelled: say that this node is there, and in which epochs it sits."""
        while True:
            body = encode_beat(sittings())
            for name in set(self._roster()) - {self._process}:
                with contextlib.suppress(MessagingError):
                    self.box.send_nowait(Kind.HEARTBEAT, address_of(name), body)
            await self._clock.sleep(BEAT_EVERY_S)

    async def ask_all(self, names: Iterable[str], word: Word, within_s: float, kind: type[W]) -> dict[str, W]:
        """What those of ``names`` say who answer in time."""
        asked = sorted(frozenset(names) - {self._process})
        said = await asyncio.gather(*(self.ask(name, word, within_s, kind) for name in asked))
        return {name: one for name, one in zip(asked, said, strict=True) if one is not None}

    async def ask(self, name: str, word: Word, within_s: float, kind: type[W]) -> W | None:
        """The answer of one node; None when there is none in time, or another than was asked for."""
        deadline_ns = self._clock.wall_ns() + round(within_s * NS_PER_S)
        try:
            reply = await self.box.ask(Kind.CONSENSUS, address_of(name), encode_word(word), deadline_ns=deadline_ns)
            said = decode_word(reply.body)
        except (MessagingError, WireError):
            return None
        return said if isinstance(said, kind) and reply.sender == address_of(name) else None

    async def read(
        self, on_word: Callable[[str, Word], Awaitable[Word | None]], on_datagram: Callable[[str, bytes, bytes], None]
    ) -> None:
        """Until cancelled: hand on what comes. What ``on_word`` returns is the answer."""
        try:
            async for envelope in self.box:
                source = process_of(envelope.sender)
                if envelope.sender != address_of(source) or source not in self._roster():
                    continue
                self._heard_ns[source] = self._clock.wall_ns()
                if envelope.kind is Kind.HEARTBEAT:
                    with contextlib.suppress(WireError):
                        self._sits[source] = self._clock.wall_ns(), decode_beat(envelope.body)
                elif (found := unframed(envelope.body)) is not None:
                    on_datagram(source, *found)
                elif len(self._work) < MAX_WORDS_AT_WORK:
                    task = asyncio.create_task(self._answer(source, envelope, on_word), name=f"word of {source}")
                    self._work.add(task)
                    task.add_done_callback(self._work.discard)
        finally:
            for task in self._work:
                task.cancel()

    async def _answer(
        self, source: str, envelope: Envelope, on_word: Callable[[str, Word], Awaitable[Word | None]]
    ) -> None:
        try:
            said = await on_word(source, decode_word(envelope.body))
            if said is not None:
                await self.box.reply(envelope, encode_word(said))
        except PhalanxError as error:
            self._log.warning("a word of another node came to nothing", process=source, reason=error.message)
