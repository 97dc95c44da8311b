"""Configuration drift: what is in force is compared with what was recorded, and the rules with those on disk."""

from phalanx.agents import Capability, DutyManifest, Role, Watch
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    EventSink,
    FileWatch,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TraceId,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.node._limits import DRIFT_EVERY_S, MAX_WATCHED_RULE_FILES
from phalanx.node.canaries._watching import Watching

CONFIGURATIONS = Table("configurations")
KIND = "drift"
_ROW = "in-force"


class Configuration(Record, frozen=True, kw_only=True, tag="configuration"):
    """The digests of what was in force when the node last ran."""

    digests: dict[str, str]


class DriftDuty:
    """Compares once when it begins, and then looks whether the rules on disk are still those in force."""

    manifest = DutyManifest(
        name="configuration-drift",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION, Capability.ENFORCEMENT),
        inputs=(),
        outputs=("configuration-drifted",),
        cost=0.1,
        permissions=("AlertSink", "AuditSink", "Clock", "EventSink", "FileWatch", "Store", "Watching"),
    )

    async def keep(self, watch: Watch, /) -> None:
        watching = watch.tools.get(Watching)
        changed = await self._compare(watch, watching)
        watch.progress(f"changed since last time: {changed}" if changed else "as it was on record")
        loaded, told = await _on_disk(watch, watching), ""
        async for _ in watch.beats(DRIFT_EVERY_S):
            now = await _on_disk(watch, watching)
            if now not in (loaded, told):
                await self._tell(watch, watching, "rules on disk", now)
                told = now
                watch.progress("rules on disk changed; `phalanx intel rules list` shows those in force", done=1)

    async def _compare(self, watch: Watch, watching: Watching) -> str:
        """What differs from the record, which is then brought up to date."""
        store = watch.tools.get(Store)
        row = await store.get(CONFIGURATIONS, DEFAULT_TENANT, _ROW)
        in_force = dict(watching.configuration)
        known = None if row is None else decode(row.value, Configuration).digests
        if known == in_force:
            return ""
        changed = ""
        if known is not None:
            names = sorted(name for name in {*known, *in_force} if known.get(name) != in_force.get(name))
            changed = ", ".join(names)
            await self._tell(watch, watching, changed, str(sorted(in_force.items())))
            watch.progress(done=1)
        now = Configuration(
            id=_ROW, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=watch.clock.wall_ns(), digests=in_force
        )
        await store.commit([Put(CONFIGURATIONS, DEFAULT_TENANT, _ROW, encode(now))])
        return changed

    async def _tell(self, watch: Watch, watching: Watching, what: str, to: str) -> None:
        now_ns, tools = watch.clock.wall_ns(), watch.tools
        text = "the configuration is not the one on record"
        tools.get(AlertSink).alert(AlertLevel.WARNING, "node", text, changed=what)
        event = await tools.get(EventSink).submit(
            KIND, {"what": what, "host": watching.node}, tenant=DEFAULT_TENANT, at_ns=now_ns,
            key=derive_id(0, KIND, what, to),
        )  # fmt: skip
        entry = AuditEntry(
            id=derive_id(id_time_ns(event), "audit", KIND, event), tenant=DEFAULT_TENANT, trace=TraceId(event),
            at_ns=id_time_ns(event), actor="canary", action="configuration.changed", subject=watching.node, case="",
            body={"changed": what},
        )  # fmt: skip
        await tools.get(AuditSink).record(entry)


async def _on_disk(watch: Watch, watching: Watching) -> str:
    """What tells the rule files on disk from others; nothing without a folder of one's own."""
    if not watching.rules_dir:
        return ""
    files = watch.tools.get(FileWatch)
    try:
        paths = await files.walk(watching.rules_dir, max_files=MAX_WATCHED_RULE_FILES)
    except NotFound:
        return "the folder is gone"
    marks = [(path, await files.mark(path)) for path in paths if path.endswith((".yml", ".yaml"))]
    return derive_id(0, *(f"{path}\n{mark.digest if mark else ''}" for path, mark in marks))


drift_duty = DriftDuty()
