"""What one run is to go through, drawn from its seed: participants, traitors, network, crashes.

Every fault is an option with a name (``NETWORK_FAULTS``, ``HABITS``, ``MISHAPS``), so that a run that
fails can be repeated with fewer of them until none can be left out: ``lighter`` gives the plans that
lack one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from phalanx.consensus import MAX_VIEWS, quorum_of
from phalanx.core import NS_PER_MS, Rng

# What the network does until it heals. "whisper": a broadcast that few hear; "hush": a certificate is.
NETWORK_FAULTS = ("drop", "duplicate", "reorder", "delay", "partition", "whisper", "hush")
# What traitors do, each with its own choice of these.
HABITS = (
    "silent",
    "equivocating leader",
    "doctored proposals",
    "equivocating voter",
    "selective collector",
    "withheld certificate",
    "stale high certificate",
    "invented high certificate",
    "forged messages",
    "oversized messages",
    "cache poisoning",
    "twin identities",
    "amnesia",
    "replaced mid-instance",
)
# Of those, what serves to have two decisions made; half of all covens do nothing else.
CUNNING = HABITS[1:7]
# What befalls honest participants. "filtered out": members of the roster were kept from the epoch.
MISHAPS = ("crash with lost state", "clock skew", "split opinions", "late start", "filtered out")

VIEW_NS = 200 * NS_PER_MS
DELAY_NS = 10 * NS_PER_MS
# Everybody has come to its last view by then, and has asked for the decision as often as it does.
ENDS_NS = 60_000 * NS_PER_MS
_CROWD = 31
_SKEW = 0.08


@dataclass(frozen=True, slots=True)
class Crash:
    """``place`` dies in the middle of what it does at ``at_ns``, after ``effects`` of it, and is back later."""

    place: int
    at_ns: int
    back_ns: int
    effects: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Between these times, who is in ``side`` and who is not do not hear each other."""

    from_ns: int
    until_ns: int
    side: frozenset[int]


@dataclass(frozen=True)
class Plan:
    """One run. ``opinions`` are the options that each participant accepts, the best first.

    ``left_out`` is how many members of the roster do not take part, and count as silent.
    """

    seed: int
    n: int
    weights: tuple[int, ...]
    options: int
    opinions: tuple[tuple[int, ...], ...]
    habits: tuple[tuple[int, tuple[str, ...]], ...]
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    whisper: float = 0.0
    hush: float = 0.0
    cuts: tuple[Cut, ...] = ()
    crashes: tuple[Crash, ...] = ()
    skews: tuple[float, ...] = ()
    late: tuple[tuple[int, int], ...] = ()
    heals_ns: int = 0
    left_out: int = 0

    @cached_property
    def traitors(self) -> frozenset[int]:
        return frozenset(place for place, _ in self.habits)

    @cached_property
    def honest(self) -> tuple[int, ...]:
        traitors = self.traitors
        return tuple(place for place in range(self.n) if place not in traitors)

    @property
    def quorum(self) -> int:
        return quorum_of(sum(self.weights) + self.left_out, (2, 3))

    @property
    def can_decide(self) -> bool:
        """Whether the honest weigh a quorum by themselves."""
        return sum(self.weights[place] for place in self.honest) >= self.quorum

    @property
    def agreeable(self) -> int | None:
        """An option that all honest participants accept, if there is one."""
        common = set(range(self.options))
        for place in self.honest:
            common &= set(self.opinions[place])
        return min(common, default=None)

    def lighter(self) -> Iterator["Plan"]:
        """This plan without one of its faults."""
        without: dict[str, Any] = dict.fromkeys(("drop", "duplicate", "reorder", "delay", "whisper", "hush"), 0.0)
        for name, nothing in (without | {"skews": ()}).items():
            if getattr(self, name):
                yield replace(self, **{name: nothing})
        for name in ("cuts", "crashes", "late"):
            items = getattr(self, name)
            for place in range(len(items)):
                fewer: dict[str, Any] = {name: items[:place] + items[place + 1 :]}
                yield replace(self, **fewer)
        for place, (who, habits) in enumerate(self.habits):
            for habit in habits:
                left = tuple(one for one in habits if one != habit)
                if left:
                    yield replace(self, habits=(*self.habits[:place], (who, left), *self.habits[place + 1 :]))

    def told(self) -> str:
        """In a line, for whoever has to find out what went wrong."""
        network = {
            name: round(getattr(self, name), 3) for name in ("drop", "duplicate", "reorder", "delay", "whisper", "hush")
        }
        parts = [f"n={self.n}", f"options={self.options}", f"traitors={dict(self.habits)}"]
        parts += [f"{name}={value}" for name, value in network.items() if value]
        parts += [f"left_out={self.left_out}"] if self.left_out else []
        parts += [f"cuts={len(self.cuts)}", f"crashes={[one.place for one in self.crashes]}"]
        parts += [f"late={list(self.late)}"] if self.late else []
        return " ".join(parts)


def draw(seed: int, n: int, *, extra: int = 0, faults: frozenset[str] | None = None) -> Plan:
    """The plan of ``seed`` for ``n`` participants, of whom as many are traitors as are tolerated, and ``extra``.

    ``faults`` limits it to the named ones.
    """
    rng = Rng(seed).child(f"plan/{n}")

    def has(name: str, chance: float) -> bool:
        return (faults is None or name in faults) and rng.chance(chance)

    weights = tuple(rng.integer(1, 4) for _ in range(n)) if n <= _CROWD and rng.chance(0.1) else (1,) * n
    options = rng.integer(2, 5)
    left_out = _left_out(Rng(seed).child(f"filter/{n}"), sum(weights), faults) if not extra else 0
    traitors = _traitors(rng, weights, left_out, extra)
    rough = rng.chance(0.2 if extra else 0.8)
    heals_ns = int(rng.uniform(0.2, 12.0) * VIEW_NS) if rough else 0
    # Too many traitors show what they can do if they do that and nothing else.
    among = ("equivocating leader",) if extra else CUNNING if rng.chance(0.5) else HABITS
    plan = Plan(
        seed=seed,
        n=n,
        weights=weights,
        options=options,
        opinions=_opinions(rng, n, options, split=has("split opinions", 0.15)),
        habits=tuple((place, _habits(rng, faults, among)) for place in traitors),
        heals_ns=heals_ns,
        left_out=left_out,
    )
    if not rough:
        return plan
    honest = plan.honest
    return replace(
        plan,
        drop=rng.uniform(0.0, 0.2) if has("drop", 0.2) else 0.0,
        duplicate=rng.uniform(0.0, 0.3) if has("duplicate", 0.3) else 0.0,
        reorder=rng.uniform(0.0, 0.5) if has("reorder", 0.25) else 0.0,
        delay=rng.uniform(0.0, 0.3) if has("delay", 0.25) else 0.0,
        whisper=rng.uniform(0.0, 0.8) if has("whisper", 0.2) else 0.0,
        hush=rng.uniform(0.3, 1.0) if has("hush", 0.4) else 0.0,
        cuts=_cuts(rng, n, heals_ns) if has("partition", 0.3) else (),
        crashes=_crashes(rng, honest, heals_ns) if has("crash with lost state", 0.3) else (),
        skews=tuple(rng.uniform(1 - _SKEW, 1 + _SKEW) for _ in range(n)) if has("clock skew", 0.3) else (),
        late=tuple((place, rng.integer(1, heals_ns)) for place in rng.sample(honest, 1 + len(honest) // 4))
        if has("late start", 0.2)
        else (),
    )


def size_of(seed: int) -> int:
    """How many participants the run of ``seed`` has: mostly few, because there most schedules are tried."""
    if seed % 500 == 499:
        return 847
    share = seed % 100
    return 4 if share < 50 else 7 if share < 80 else 31 if share < 96 else 100


def _left_out(rng: Rng, weight: int, faults: frozenset[str] | None) -> int:
    """Members left out; with them, the participants still weigh more than two thirds."""
    if (faults is not None and "filtered out" not in faults) or not rng.chance(0.08):
        return 0
    return rng.integer(1, (weight + 1) // 2)


def _traitors(rng: Rng, weights: tuple[int, ...], left_out: int, extra: int) -> list[int]:
    """Places whose weight is just tolerated, at random; one run in three has none or fewer."""
    total = sum(weights) + left_out
    budget = total - quorum_of(total, (2, 3))
    if not extra and rng.chance(0.2):
        budget = rng.integer(0, budget + 1)
    order = list(range(len(weights)))
    rng.shuffle(order)
    found: list[int] = []
    for place in order:
        if weights[place] <= budget:
            budget -= weights[place]
            found.append(place)
    return found + [place for place in order if place not in found][:extra]


def _habits(rng: Rng, faults: frozenset[str] | None, among: Sequence[str]) -> tuple[str, ...]:
    known = [one for one in among if faults is None or one in faults]
    if not known:
        return ("silent",)
    return tuple(sorted(rng.sample(known, min(len(known), rng.integer(1, 6)))))


def _opinions(rng: Rng, n: int, options: int, *, split: bool) -> tuple[tuple[int, ...], ...]:
    if not split:
        # All want one and no other, or all would have any: then traitors have the most room.
        order = rng.sample(range(options), options)
        return (tuple(order[:1] if rng.chance(0.4) else order),) * n
    return tuple(tuple(rng.sample(range(options), rng.integer(1, options + 1))) for _ in range(n))


def _cuts(rng: Rng, n: int, heals_ns: int) -> tuple[Cut, ...]:
    found = []
    for _ in range(rng.integer(1, 4)):
        begins = rng.integer(0, heals_ns)
        side = frozenset(rng.sample(range(n), rng.integer(1, n)))
        found.append(Cut(begins, min(heals_ns, begins + rng.integer(1, 3 * VIEW_NS)), side))
    return tuple(found)


def _crashes(rng: Rng, honest: tuple[int, ...], heals_ns: int) -> tuple[Crash, ...]:
    places = rng.sample(honest, min(len(honest), rng.integer(1, 4)))
    return tuple(
        Crash(place, at := rng.integer(0, heals_ns), min(heals_ns, at + rng.integer(1, 2 * VIEW_NS)), rng.integer(0, 4))
        for place in places
    )


assert MAX_VIEWS == 10, "the times above are for ten views"
