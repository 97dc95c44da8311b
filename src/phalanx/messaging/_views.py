"""The bus as people see it: routes of the kinds, members, streams to other processes, dead letters."""

from typing import TYPE_CHECKING

import msgspec

from phalanx.messaging._broadcast import DeliveryReport
from phalanx.messaging._dead_letters import DeadLetter
from phalanx.messaging._kinds import Kind
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._readership import may_serve

if TYPE_CHECKING:
    from phalanx.messaging._bus import Bus


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind is routed, and how much of it there was since the start."""

    kind: str
    recipients: str
    paths: int
    priority: int
    guarantee: str
    marking: str
    credit: int
    yields: bool
    patience_s: float
    sent: int
    taken: int


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent on the bus; ``waiting`` is what lies in its mailbox, -1 when that is in another process."""

    address: str
    process: str
    tags: tuple[str, ...]
    clearance: str
    organisation: str
    waiting: int


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to another process. ``silent_s`` is the time since it was heard, below zero when it never was."""

    process: str
    on_the_way: int
    waiting: int
    retries: int
    duplicates: int
    round_trip_ms: float
    silent_s: float
    members: int


class DeadLetterView(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope that ``recipient`` did not get. What is in it is shown to nobody here."""

    id: str
    at_ns: int
    kind: str
    sender: str
    recipient: str
    outcome: str
    marking: str
    body_bytes: int
    trace: str


class RefusalView(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient that did not get it, and why."""

    recipient: str
    outcome: str


class BroadcastView(msgspec.Struct, frozen=True, kw_only=True):
    """How far an emergency got: ``taken`` by so many, ``open`` and ``refused`` name the first of the others."""

    envelope: str
    at_ns: int
    took_ms: float
    taken: int
    open_count: int
    open: tuple[str, ...]
    refusals: int
    refused: tuple[RefusalView, ...]


class BusView(msgspec.Struct, frozen=True, kw_only=True):
    """The bus of a process as it stands."""

    process: str
    incarnation: str
    organisation: str
    members: int
    members_elsewhere: int
    pending: int
    waiting_bytes: int
    routes: tuple[RouteView, ...]
    streams: tuple[StreamView, ...]


def show_bus(bus: "Bus") -> BusView:
    """All of it but members and dead letters, which come in pages."""
    streams = bus.abroad.links.states() if bus.abroad is not None else []
    elsewhere = {process: len(bus.directory.members_of(process)) for process in bus.directory.processes}
    return BusView(
        process=bus.process, incarnation=bus.origin, organisation=bus.organisation, members=len(bus.directory.boxes),
        members_elsewhere=sum(elsewhere.values()), pending=len(bus.desk.pending),
        waiting_bytes=bus.desk.waiting_bytes, routes=tuple(_route(bus, kind) for kind in Kind),
        streams=tuple(
            StreamView(
                process=one.process, on_the_way=one.on_the_way, waiting=one.waiting, retries=one.retries,
                duplicates=one.duplicates, round_trip_ms=one.round_trip_ms, silent_s=one.silent_s,
                members=elsewhere.get(one.process, 0),
            )
            for one in streams
        ),
    )  # fmt: skip


def show_members(bus: "Bus", tenant: str, *, after: str, limit: int) -> list[MemberView]:
    """Members that serve ``tenant``, by address, past ``after``."""
    found = sorted(
        (one for one in bus.directory.members() if one.address > after and may_serve(one, tenant)),
        key=lambda one: one.address,
    )
    return [
        MemberView(
            address=one.address, process=one.address.partition("/")[0], tags=tuple(sorted(one.tags)),
            clearance=one.clearance.label, organisation=one.organisation,
            waiting=len(bus.directory.boxes[one.address]) if one.address in bus.directory.boxes else -1,
        )
        for one in found[:limit]
    ]  # fmt: skip


def show_report(report: DeliveryReport) -> BroadcastView:
    return BroadcastView(
        envelope=report.envelope, at_ns=report.at_ns, took_ms=report.took_ms, taken=report.taken,
        open_count=report.open_count, open=report.open, refusals=report.refusals,
        refused=tuple(
            RefusalView(recipient=name, outcome=outcome.name.lower().replace("_", "-"))
            for name, outcome in report.refused
        ),
    )  # fmt: skip


def show_letter(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id, at_ns=letter.at_ns, kind=letter.about, sender=letter.sender, recipient=letter.recipient,
        outcome=letter.outcome, marking=letter.opened().marking.label, body_bytes=letter.body_bytes,
        trace=letter.trace,
    )  # fmt: skip


def _route(bus: "Bus", kind: Kind) -> RouteView:
    policy, desk = POLICIES[kind], bus.desk
    return RouteView(
        kind=kind.name.lower(), recipients=policy.recipients.name.lower(), paths=policy.paths,
        priority=policy.priority, guarantee=policy.guarantee.name.lower(), marking=policy.marking.label,
        credit=policy.credit, yields=policy.yields, patience_s=policy.patience_ns / 1e9,
        sent=int(desk.sent_by[kind].value), taken=int(desk.taken_by[kind].value),
    )  # fmt: skip
