"""Sinks and sources, built from the settings and plug-ins.

A sink or a source named in the settings is required: a problem with it stops the start, with the name of the
setting. What its peer does later stops nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phalanx.adapters.keys import secret_source
from phalanx.core import KIB, BatchId, Event, InvalidInput, Journal, Severity, Store, TenantId, decode
from phalanx.incidents import DECISIONS
from phalanx.intel import BATCHES, FINDINGS, BatchEntry, Chunk, ChunkSeals, Intake, check_reader
from phalanx.intel.delivery import (
    CASE,
    DECISION,
    EVENT,
    FINDING,
    SINKS_GROUP,
    SOURCES_GROUP,
    ConnectorContext,
    Courier,
    Delivery,
    Drawer,
    Feed,
    Notices,
    ParcelBounds,
    SinkPlan,
    SourcePlan,
    TellingStore,
)
from phalanx.intel.reading import read_lines, slices, split_lines
from phalanx.node._plugins import registered
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.settings._connectors import SinkSetting, SourceSetting
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Alerts, Telemetry
from phalanx.workflows import ASSESSMENTS

_TABLES = {FINDING: FINDINGS, CASE: ASSESSMENTS, DECISION: DECISIONS, EVENT: BATCHES}


@dataclass(frozen=True, slots=True)
class Telling:
    """The store for rooms whose records sinks are told of, and the notices that it writes."""

    store: Store
    notices: Notices


async def opened_telling(settings: Settings, ports: Ports, store: Store) -> Telling:
    """Without sinks it is the store itself, and nothing is written that nobody reads."""
    sinks = settings.sinks.each
    notices = await Notices.open(store, [TenantId(one.tenant) for one in sinks])
    if not sinks:
        return Telling(store, notices)
    kinds = {_TABLES[kind].name: kind for one in sinks for kind in one.kinds}
    return Telling(TellingStore(store, notices, ports.clock, kinds=kinds), notices)


async def opened_delivery(
    settings: Settings, ports: Ports, store: Store, telling: Telling, intake: Intake, telemetry: Telemetry,
    alerts: Alerts, stack: contextlib.AsyncExitStack,
) -> Delivery:  # fmt: skip
    """Couriers and drawers, made and not yet started; ``stack`` closes what they hold."""
    feed = Feed(store, telling.notices, _BatchReader(intake.journal, intake.seals), tables=_TABLES)
    couriers: list[Courier] = []
    for sink_setting in settings.sinks.each:
        sink = _made(SINKS_GROUP, "sinks", sink_setting, settings, ports)
        stack.push_async_callback(sink.close)
        courier = Courier(
            _sink_plan(sink_setting), sink, feed, store, clock=ports.clock,
            rng=ports.rng.child(f"sink {sink_setting.name}"), telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        await courier.open()
        couriers.append(courier)
    drawers: list[Drawer] = []
    for setting in settings.sources.each:
        check_reader(setting.reader)
        source = _made(SOURCES_GROUP, "sources", setting, settings, ports)
        stack.push_async_callback(source.close)
        plan = SourcePlan(
            setting.name, setting.type, TenantId(setting.tenant), setting.reader, max_bytes=setting.batch_kib * KIB
        )
        drawer = Drawer(
            plan, source, intake, store, clock=ports.clock, rng=ports.rng.child(f"source {setting.name}"),
            telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        await drawer.open()
        drawers.append(drawer)
    return Delivery(
        store, telling.notices, couriers, drawers, clock=ports.clock, ids=ports.ids, node=settings.node.name
    )


def start_delivery(delivery: Delivery, services: Services) -> None:
    """Each courier and each drawer is a service of its own: one that fails holds up no other."""
    for name, courier in delivery.couriers.items():
        services.start(f"sink {name}", courier.run)
    for name, drawer in delivery.drawers.items():
        services.start(f"source {name}", drawer.run)
    if delivery.couriers:
        services.start("sinks", delivery.keep)


class _BatchReader:
    """Reads the events of a batch back from the journal."""

    def __init__(self, journal: Journal, seals: ChunkSeals) -> None:
        self._journal = journal
        self._seals = seals

    async def __call__(self, entry: BatchEntry) -> Sequence[Event]:
        if not self._journal.start <= entry.offset < self._journal.end:
            return []
        frames = await self._journal.read(entry.offset, max_records=1)
        if not frames:
            return []
        chunk = await self._seals.open(decode(frames[0], Chunk))
        events: list[Event] = []
        # A chunk has tens of thousands of lines, and others want the loop meanwhile.
        for first_row, lines in slices(split_lines(chunk.data)):
            out = read_lines(
                lines, first_row=first_row, reader=chunk.reader, tenant=chunk.tenant, batch=BatchId(entry.id),
                accepted_at_ns=chunk.at_ns,
            )  # fmt: skip
            found = [event for batch in out.batches for event in batch]
            events += sorted(found, key=lambda event: event.batch.rows[event.index])
            await asyncio.sleep(0)
        return events


def _sink_plan(setting: SinkSetting) -> SinkPlan:
    return SinkPlan(
        setting.name, setting.type, TenantId(setting.tenant), setting.kinds, Severity[setting.min_severity.upper()],
        setting.updates, ParcelBounds(setting.batch_items, setting.batch_kib * KIB, setting.linger_s),
    )  # fmt: skip


def _made(group: str, section: str, setting: SinkSetting | SourceSetting, settings: Settings, ports: Ports) -> Any:
    """What the plug-in makes. What it refuses is the setting's fault, and stops the start."""
    known = {entry.name: entry for entry in registered(group)}
    where = f"{section}.{setting.name}"
    if setting.type not in known:
        raise InvalidInput(f"{where}.type", f"there is no {setting.type!r}; there are {', '.join(known)}")
    folder = settings.node.data_dir
    context = ConnectorContext(
        name=setting.name, where=where, node=settings.node.name, options=setting.options, data_dir=folder,
        clock=ports.clock, entropy=ports.entropy, offload=ports.offload,
        secret=secret_source(setting.options, folder, _unset(where, setting.options)),
    )  # fmt: skip
    return known[setting.type].load()(context)


def _unset(where: str, options: Mapping[str, str]) -> Callable[[str], bytes]:
    def ask(name: str) -> bytes:
        there = ", ".join(options) or "none"
        raise InvalidInput(
            f"{where}.options.{name}_file",
            f"it needs a private file with its {name.replace('_', ' ')}; set are {there}",
        )

    return ask
