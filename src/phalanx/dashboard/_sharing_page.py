"""The pages of sharing: collections, what was handed over to whom, sources and their lag; and coverage of ATT&CK."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import NS_PER_S, TenantId
from phalanx.dashboard._limits import EXPORTS_SHOWN
from phalanx.intel.sharing import Collection, Covered, Export, Pull, Status, Tactic, attack

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class Shelved:
    """A collection, how many versions of objects it keeps, and when the last was added."""

    collection: Collection
    objects: int
    last_added_ns: int


@dataclass(frozen=True, slots=True)
class Pulled:
    """A source, and how long ago it was last pulled whole; negative: never."""

    pull: Pull
    lag_s: float


@dataclass(frozen=True, slots=True)
class SharingView:
    """What the page shows, all of one tenant."""

    collections: tuple[Shelved, ...]
    exports: tuple[Export, ...]
    statuses: tuple[Status, ...]
    sources: tuple[Pulled, ...]


@dataclass(frozen=True, slots=True)
class TacticCoverage:
    """One tactic, its techniques that rules look for, and how many it has."""

    tactic: Tactic
    covered: tuple[Covered, ...]
    of: int


@dataclass(frozen=True, slots=True)
class CoverageShown:
    """What the page of coverage shows."""

    tactics: tuple[TacticCoverage, ...]
    covered: int
    of: int
    unknown: tuple[str, ...]
    source: str
    copyright: str


async def sharing_view(node: "Node", tenant: TenantId) -> SharingView:
    """Collections, hand-overs, and sources of ``tenant``."""
    exchange = node.sharing.exchange
    shelved = []
    for one in await exchange.collections.all(tenant):
        objects, last = await exchange.shelf.count(tenant, one.id)
        shelved.append(Shelved(one, objects, last))
    return SharingView(
        tuple(shelved),
        tuple(await exchange.exports(tenant, limit=EXPORTS_SHOWN)),
        tuple(await exchange.statuses(tenant, limit=EXPORTS_SHOWN)),
        tuple(await pulled_from(node, tenant)),
    )


async def pulled_from(node: "Node", tenant: TenantId) -> list[Pulled]:
    """Sources elsewhere, as they stand."""
    pulling, now_ns = node.sharing.pulling, node.clock.wall_ns()
    states = [await pulling.state(tenant, name) for name in sorted(pulling.sources)]
    return [Pulled(one, (now_ns - one.done_ns) / NS_PER_S if one.done_ns else -1.0) for one in states]


def coverage_shown(node: "Node") -> CoverageShown:
    """The node's rules set beside ATT&CK, by tactic."""
    book = attack()
    found = book.coverage((rule.title, rule.techniques) for rule in node.sentinel.rules.rules.values())
    tactics = []
    for tactic in book.index.tactics:
        own = found.of_tactic(tactic.name)
        tactics.append(TacticCoverage(tactic, tuple(one for one in own if one.rules), len(own)))
    return CoverageShown(
        tuple(tactics), found.n_covered, len(found.techniques), found.unknown, book.index.source, book.index.copyright
    )
