"""What a hunt found, as a record, and how it is kept and told."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from phalanx.core import (
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Entity,
    Event,
    EventId,
    Put,
    Record,
    Store,
    Table,
    Write,
    counted,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.intel._subjects import entities_of, host_of
from phalanx.intel._trails import Trail
from phalanx.telemetry import waypoint_of, waypoint_put

HUNTS = Table("hunts", indexes=("case", "finding"), sealed=True)


class HuntHit(msgspec.Struct, frozen=True):
    """An event that a hunt found, and why; ``names`` are what it names, its host first."""

    event: EventId
    time_ns: int
    why: str
    names: tuple[Entity, ...] = ()


class HuntLink(msgspec.Struct, frozen=True):
    """What a hunt followed through the archive, and how many events have it. Too many were not followed."""

    name: str
    events: int
    followed: bool


class Hunt(Record, frozen=True, kw_only=True, tag="hunt"):
    """What a hunter, or a person by the name of ``by``, found for one finding, or for none (empty).

    ``events`` and ``chunks`` were looked through, which is not all there is; ``archived`` events of the archive were
    asked. ``queries`` are the rules that were asked; none when the finding itself was followed. ``entities`` are what
    the events found name besides what the finding names, the most frequent first. ``total`` is how many events there
    are in all where that is known; ``complete`` says that everything was asked.
    """

    VERSION: ClassVar[int] = 2
    # What version 2 added has defaults that say what version 1 was.
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    case: str
    finding: str
    skill: str
    queries: tuple[str, ...]
    hits: tuple[HuntHit, ...]
    entities: tuple[Entity, ...]
    events: int
    chunks: int
    archived: int = 0
    links: tuple[HuntLink, ...] = ()
    by: str = "hunter"
    total: int = 0
    complete: bool = True


def hit_of(event: Event, why: str, host_names: Mapping[str, str]) -> HuntHit:
    return HuntHit(event.id, event.time_ns, why, entities_of(event, host_of(event, host_names)))


def links_told(trail: Trail) -> tuple[HuntLink, ...]:
    """What was followed and what was too common, in the order in which it was met."""
    followed = [HuntLink(name, events, followed=True) for name, events in trail.followed.items()]
    return (*followed, *(HuntLink(name, events, followed=False) for name, events in trail.common.items()))


async def keep(hunt: Hunt, store: Store, audit: AuditSink) -> None:
    """Keep what was found, with its waypoint, and tell the ledger."""
    index = {"case": (hunt.case,), "finding": (hunt.finding,)} if hunt.finding else {}
    writes: list[Write] = [Put(HUNTS, hunt.tenant, hunt.id, encode(hunt), index)]
    if hunt.trace != NO_TRACE:
        summary = f"{hunt.skill}: {len(hunt.hits)} of {counted(hunt.events + hunt.archived, 'event')}"
        writes.append(
            waypoint_put(
                waypoint_of(
                    hunt, room="intel", stage="hunt", at_ns=hunt.at_ns, summary=summary, skill=hunt.skill,
                    case=hunt.case,
                )
            )
        )  # fmt: skip
    await store.commit(writes)
    await tell(hunt, audit)


async def tell(hunt: Hunt, audit: AuditSink) -> None:
    """Tell the ledger of a hunt; as often as wanted, it is one entry."""
    entry = AuditEntry(
        id=derive_id(id_time_ns(hunt.id), "audit", hunt.id), tenant=hunt.tenant, trace=hunt.trace, at_ns=hunt.at_ns,
        actor=hunt.by, action=f"hunt.{hunt.skill}", subject=hunt.finding, case=hunt.case,
        body={"hunt": hunt.id, "found": len(hunt.hits), "queries": list(hunt.queries)},
    )  # fmt: skip
    await audit.record(entry)
