"""A peer in memory, outside of what crashes: it remembers what it was told, and goes wrong as a plan says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from phalanx.core import Clock, Rng, Unavailable
from phalanx.intel.delivery import TAKEN, Answer, Item, Parcel, SinkManifest, later, never


@dataclass(slots=True)
class MemoryPeer:
    """Knows again ``by``: an item's id, a parcel's key, or nothing. ``refuses`` says what it never takes."""

    by: str
    told: list[Item] = field(default_factory=list)
    calls: int = 0
    _seen: set[str] = field(default_factory=set)

    def knows(self, parcel: Parcel) -> bool:
        """Whether it took this very parcel."""
        return self.by == "parcel" and parcel.key in self._seen

    def take(self, parcel: Parcel, places: range) -> None:
        """Take a part of a parcel, as this kind of peer does."""
        if self.by == "parcel":
            if parcel.key in self._seen:
                return
            self._seen.add(parcel.key)
        for place in places:
            item = parcel.items[place]
            if self.by == "item" and item.id in self._seen:
                continue
            self._seen.add(item.id)
            self.told.append(item)


@dataclass(slots=True)
class MemorySink:
    """A sink to a ``MemoryPeer``; ``rng`` None takes everything."""

    peer: MemoryPeer
    clock: Clock
    rng: Rng | None
    refuses: Callable[[Item], bool]
    trouble: float = 0.35

    @property
    def manifest(self) -> SinkManifest:
        effect = "at-least-once" if self.peer.by == "nothing" else "once"
        return SinkManifest(
            product="memory", effect=effect, known_by=self.peer.by, max_items=20, max_bytes=100_000,
            parcel_key=self.peer.by == "parcel",
        )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        return f"{item.kind} {item.id} {item.text}".encode()

    async def send(self, parcel: Parcel) -> Answer:
        self.peer.calls += 1
        n, rng = len(parcel.items), self.rng
        bad = [place for place, item in enumerate(parcel.items) if self.refuses(item)]
        if rng is None or not rng.chance(self.trouble):
            return self._answered(parcel, bad)
        what = rng.choice(("busy", "lost", "lost-answer", "slow", "half", "too-large"))
        if what == "busy":
            return later("busy", rng.uniform(0.0, 0.2))
        if what == "lost":
            raise Unavailable("the peer", "the connection broke before anything arrived")
        if what == "too-large" and n > 1 and not self.peer.knows(parcel):
            # Not of a parcel that it took before: how large one may be does not change from one moment to the next.
            return Answer(split=True)
        await self.clock.sleep(rng.exponential(0.02))
        if what == "lost-answer":
            self._answered(parcel, bad)
            raise Unavailable("the peer", "it took everything, and the connection broke before it said so")
        if what == "half" and self.peer.by != "parcel":
            cut = rng.integer(0, n)
            first_bad = [place for place in bad if place < cut]
            for place in range(cut):
                if place not in first_bad:
                    self.peer.take(parcel, range(place, place + 1))
            return Answer(
                again=dict.fromkeys(range(cut, n), "no room"), refused=dict.fromkeys(first_bad, "it is not wanted")
            )
        return self._answered(parcel, bad)

    async def close(self) -> None:
        """There is nothing to close."""

    def _answered(self, parcel: Parcel, bad: list[int]) -> Answer:
        if bad and self.peer.by == "parcel":
            return never("there is one in it that is not wanted")
        for place in range(len(parcel.items)):
            if place not in bad:
                self.peer.take(
                    parcel, range(place, place + 1) if self.peer.by != "parcel" else range(len(parcel.items))
                )
                if self.peer.by == "parcel":
                    break
        return Answer(refused=dict.fromkeys(bad, "it is not wanted")) if bad else TAKEN
