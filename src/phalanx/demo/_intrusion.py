"""The demo's stream: the intrusion inside its background, cut into deliveries, with the truth apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from phalanx.core import NS_PER_S, InvalidInput, Rng, ns_from_iso
from phalanx.demo._attack import Attack, Deed
from phalanx.demo._background import Background, Timed
from phalanx.demo._formats import Formats, Line
from phalanx.demo._oddities import Oddities
from phalanx.demo._stories import STORIES, played

# A Monday, half past nine.
DEFAULT_START_NS: Final = ns_from_iso("2026-03-02T09:30:00Z")
# Lines an episode of the background has on average; only sets how many episodes are drawn.
_LINES_PER_EPISODE: Final = 1.79
_MAX_LENGTH_S: Final = 86_400.0
_MAX_ODDITIES: Final = 1_000
_MAX_EVENTS_PER_S: Final = 1_000.0


class LineId(NamedTuple):
    """Where a line was delivered: the number of its chunk, and its row in it."""

    chunk: int
    row: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one collector delivers at one moment, ``at_offset_s`` after the start."""

    number: int
    at_offset_s: float
    reader_hint: str
    lines: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        return b"\n".join(self.lines) + b"\n"


@dataclass(frozen=True)
class Intrusion:
    """A stream that follows from its seed: ``chunks`` to deliver, and ``truth`` to judge by.

    ``background_only`` leaves the intrusion out. ``story`` says what happens
    (``STORIES``), and ``oddities`` is how many honest things happen besides that look like it. Chunks are what a
    collector gathered in ``chunk_s``; each collector (Windows, syslog, Zeek) delivers its own.
    """

    seed: int
    start_ns: int = DEFAULT_START_NS
    length_s: float = 600.0
    events_per_s: float = 10.0
    chunk_s: float = 2.0
    background_only: bool = False
    story: str = "demo"
    oddities: int = 0

    def __post_init__(self) -> None:
        if self.story not in STORIES:
            raise InvalidInput("story", f"must be one of {', '.join(STORIES)}, got {self.story!r}")
        _within("oddities", self.oddities, 0, _MAX_ODDITIES)
        _within("length_s", self.length_s, 1.0, _MAX_LENGTH_S)
        _within("events_per_s", self.events_per_s, 0.1, _MAX_EVENTS_PER_S)
        _within("chunk_s", self.chunk_s, 0.05, self.length_s)

    def chunks(self) -> Iterator[Chunk]:
        """All deliveries, in order of time."""
        return iter(self._delivered[0])

    @property
    def n_events(self) -> int:
        """How many lines there are in all chunks."""
        return sum(len(chunk.lines) for chunk in self._delivered[0])

    @property
    def truth(self) -> Mapping[LineId, Deed]:
        """What each line of the intrusion really is; lines of the background are not in it."""
        return self._delivered[1]

    @cached_property
    def _delivered(self) -> tuple[tuple[Chunk, ...], dict[LineId, Deed]]:
        end_ns = self.start_ns + int(self.length_s * NS_PER_S)
        boxes: dict[tuple[int, str], list[tuple[int, bytes, Deed | None]]] = {}
        for at_ns, line, deed in self._lines():
            # What happens after the end is delivered with the last chunk: nothing is cut off.
            at_s = (min(at_ns, end_ns - 1) - self.start_ns) / NS_PER_S
            boxes.setdefault((int(at_s / self.chunk_s), line.reader), []).append((at_ns, line.data, deed))
        chunks = []
        truth = {}
        for number, (slot, reader) in enumerate(sorted(boxes)):
            box = sorted(boxes[slot, reader], key=lambda entry: entry[0])
            at_offset_s = round(min((slot + 1) * self.chunk_s, self.length_s), 6)
            chunks.append(Chunk(number, at_offset_s, reader, tuple(data for _, data, _ in box)))
            for row, (_, _, deed) in enumerate(box):
                if deed is not None:
                    truth[LineId(number, row)] = deed
        return tuple(chunks), truth

    def _lines(self) -> Iterator[tuple[int, Line, Deed | None]]:
        rng = Rng(self.seed).child("demo")
        formats = Formats(rng.child("formats"))
        episodes = _episodes(rng.child("background"), formats, self.start_ns, self.events_per_s)
        end_ns = self.start_ns + int(self.length_s * NS_PER_S)
        for at_ns, episode in episodes:
            if at_ns >= end_ns:
                break
            for line_ns, line in episode:
                yield line_ns, line, None
        odd = Oddities(rng.child("oddities"), formats)
        for line_ns, line in odd.drawn(self.oddities, start_ns=self.start_ns, length_s=self.length_s):
            yield line_ns, line, None
        if self.background_only:
            return
        for number, (cast, scenes) in enumerate(played(self.story, rng.child("story"))):
            attack = Attack(
                rng.child("attack" if not number else f"attack {number}"), formats, start_ns=self.start_ns,
                length_s=self.length_s, cast=cast, scenes=scenes, number=number,
            )  # fmt: skip
            for act in attack.acts():
                yield act.at_ns, act.line, act.deed


def event_stream(
    seed: int, n: int, *, start_ns: int = DEFAULT_START_NS, events_per_s: float = 1_000.0
) -> Iterator[bytes]:
    """``n`` lines of background of all formats mixed, for benchmarks."""
    rng = Rng(seed).child("stream")
    left = n
    for _, episode in _episodes(rng, Formats(rng.child("formats")), start_ns, events_per_s):
        for _, line in episode[:left]:
            yield line.data
        left -= len(episode)
        if left <= 0:
            return


def _episodes(rng: Rng, formats: Formats, start_ns: int, events_per_s: float) -> Iterator[tuple[int, list[Timed]]]:
    """The background without end: when each episode begins, and its lines."""
    background = Background(rng, formats)
    mean_s = _LINES_PER_EPISODE / events_per_s
    at_ns = start_ns
    while True:
        at_ns += int(rng.exponential(mean_s) * NS_PER_S)
        yield at_ns, background.episode(at_ns)


def _within(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidInput(field, f"must be between {least} and {most}, got {value}")
