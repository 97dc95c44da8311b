"""What a sink and a source are: the two contracts that plug-ins of ``phalanx.sinks`` and ``phalanx.sources`` fill.

Neither keeps state that matters: where a sink or a source stands is in the node's store.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from phalanx.core import Clock, EntropySource, InvalidInput, Offload
from phalanx.intel.delivery._limits import LONGEST_RETRY_S, MAX_PARCEL_BYTES, MAX_PARCEL_ITEMS
from phalanx.intel.delivery._model import Item

SINKS_GROUP = "phalanx.sinks"
SOURCES_GROUP = "phalanx.sources"


@dataclass(frozen=True, slots=True)
class SinkManifest:
    """What a peer takes, and what it does with something that is sent twice.

    ``effect`` is ``once`` where the peer knows an item or a parcel again, by ``known_by``; else it is
    ``at-least-once``, and ``known_by`` says how doubles are told from what is new. With ``parcel_key`` it is the
    parcel that is known again, so it is sent again exactly as it was. ``updates`` says whether a finding with more
    hits is told again, where the settings do not say.
    """

    product: str
    effect: str
    known_by: str
    max_items: int = MAX_PARCEL_ITEMS
    max_bytes: int = MAX_PARCEL_BYTES
    parcel_key: bool = False
    updates: bool = True


@dataclass(frozen=True, slots=True)
class Parcel:
    """Items in order, each with its encoded form. ``key`` is the same whenever the same items are sent."""

    key: str
    items: tuple[Item, ...]
    forms: tuple[bytes, ...]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.forms))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a parcel: everything was taken but what is named here, by its place in the parcel.

    ``again`` may be taken later, ``refused`` never. With ``problem`` nothing is known to be taken, and all of it is
    sent again after ``retry_after_s`` or when the retry policy says so. With ``never`` all of it is refused as it
    is: a parcel of several is split, to find the one. ``split`` asks for smaller parcels.
    """

    again: Mapping[int, str] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""
    never: str = ""
    split: bool = False
    retry_after_s: float | None = None

    @property
    def trouble(self) -> str:
        """Why a parcel of one item was not taken; empty when it was."""
        too_large = "it is too large for the peer" if self.split else ""
        return self.problem or self.never or self.again.get(0, "") or self.refused.get(0, "") or too_large


TAKEN = Answer()


def later(problem: str, retry_after_s: float | None = None) -> Answer:
    """Nothing is known to be taken: send it again."""
    return Answer(problem=problem, retry_after_s=retry_after_s)


def never(reason: str) -> Answer:
    """All of it is refused, as it is."""
    return Answer(never=reason)


class Sink(Protocol):
    """A place outside that is told things. ``send`` is called for one parcel after another, never for two at once."""

    @property
    def manifest(self) -> SinkManifest: ...

    def encode(self, item: Item) -> bytes:
        """The item in the peer's form; pure. Raises ``Unsendable``."""
        ...

    async def send(self, parcel: Parcel) -> Answer:
        """Send it once. Raises ``Unavailable`` when nobody knows what came of it."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """Lines from a source, and the position behind them. ``waiting`` is how much is left there, −1 if unknown.

    Nothing drawn is ``lines`` empty: the position may move all the same. ``reader`` is for lines
    that say how they are read, and counts where the setting is ``auto``.
    """

    lines: bytes
    position: str
    waiting: int = -1
    gap: int = 0
    reader: str = ""


@dataclass(frozen=True, slots=True)
class SourceManifest:
    """What a source is. ``rereads`` says that between two positions it always gives the same bytes again.

    ``rewinds`` is false of one whose peers send and forget: it has nothing to draw from an earlier position.
    ``longest_retry_s`` is how long it is left alone at most after failures; where asking costs nothing, not long.
    """

    product: str
    rereads: bool
    waiting_unit: str = "events"
    rewinds: bool = True
    longest_retry_s: float = LONGEST_RETRY_S


class Source(Protocol):
    """A place outside that events are drawn from. ``draw`` is never called twice at once."""

    @property
    def manifest(self) -> SourceManifest: ...

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:
        """What follows ``position`` (empty: the beginning, or now, as the options say).

        With ``until`` exactly up to there. Waits up to ``within_s`` when there is nothing. Raises ``Unavailable``, and
        ``PositionGone`` when what was there is no more.
        """
        ...

    def check(self, position: str) -> None:
        """Raises ``InvalidInput`` for what is written as none of its positions is (never empty); asks nobody."""
        ...

    async def settle(self, position: str) -> None:
        """Everything before ``position`` is durable here: the peer may forget it."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class BoundedSource(Source, Protocol):
    """A source that knows where it ends, and is asked before it is drawn from where somebody says."""

    async def check_reach(self, position: str) -> None:
        """Raises ``InvalidInput``, with the range that there is, for a position beyond its end, and ``Unavailable``.

        Never called while it is drawn from.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConnectorContext:
    """What a sink or a source is made from. ``options`` are its own settings.

    ``secret(name)`` reads option ``NAME_file`` or ``NAME_fd``; a secret never stands in the settings themselves.
    ``node`` is what the node calls itself, ``where`` the place in the settings, for messages.
    """

    name: str
    where: str
    node: str
    options: Mapping[str, str]
    data_dir: Path
    clock: Clock
    entropy: EntropySource
    offload: Offload
    secret: Callable[[str], bytes] = field(repr=False)

    def option(self, name: str, default: str | None = None) -> str:
        """An option; raises ``InvalidInput`` when it has no default and is not set."""
        value = self.options.get(name, default)
        if value is None:
            raise InvalidInput(f"{self.where}.options.{name}", "this connector needs it")
        return value

    def number(self, name: str, default: float, *, least: float = 0.0) -> float:
        """An option that is a number."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError as error:
            raise InvalidInput(f"{self.where}.options.{name}", f"{text!r} is not a number") from error
        if not least <= value < float("inf"):
            raise InvalidInput(f"{self.where}.options.{name}", f"{text} is not {least:g} or more")
        return value

    def chosen(self, name: str, default: str, among: Sequence[str]) -> str:
        """An option that is one of several words."""
        value = self.options.get(name, default)
        if value not in among:
            raise InvalidInput(f"{self.where}.options.{name}", f"{value!r} is none of {', '.join(among)}")
        return value

    def only(self, *known: str, secrets: Sequence[str] = ()) -> None:
        """Raises ``InvalidInput`` for an option that this connector does not have."""
        names = (*known, *(f"{one}_{how}" for one in secrets for how in ("file", "fd")))
        for name in self.options:
            if name not in names:
                there = ", ".join(names) or "none"
                raise InvalidInput(f"{self.where}.options.{name}", f"there is no such option; there are {there}")


SourceFactory = Callable[[ConnectorContext], Source]
