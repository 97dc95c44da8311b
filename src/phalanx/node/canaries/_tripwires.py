"""Tripwires: files that nobody should change. Each one's state is recorded, and a difference is an event.

The record is durable, so changes made while the node was down are found when it starts again.
"""

from typing import Literal

import msgspec

from phalanx.agents import Capability, DutyManifest, Restart, Role, Watch
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    EventSink,
    FileMark,
    FileWatch,
    Put,
    Record,
    Store,
    Table,
    counted,
    decode,
    derive_id,
    encode,
)
from phalanx.node._limits import TRIPWIRES_EVERY_S
from phalanx.node.canaries._watching import Watching

TRIPWIRES = Table("tripwires", sealed=True)
KIND = "tripwire"


class Seen(msgspec.Struct, frozen=True):
    """How a file looked: what an intruder who changes it cannot keep as it was."""

    size: int
    mode: int
    modified_ns: int
    digest: str


class Tripwire(Record, frozen=True, kw_only=True, tag="tripwire"):
    """A file as it was last seen; ``seen`` is None for one that was not there."""

    path: str
    seen: Seen | None


Change = Literal["", "made", "removed", "changed", "made accessible otherwise", "written without a change"]


def difference(before: Seen | None, after: Seen | None) -> Change:
    """What became of it, in words; nothing when it is as it was."""
    if before == after:
        return ""
    if before is None:
        return "made"
    if after is None:
        return "removed"
    if (before.size, before.digest) != (after.size, after.digest):
        return "changed"
    return "made accessible otherwise" if before.mode != after.mode else "written without a change"


class TripwireDuty:
    """Looks at each tripwire in turn."""

    manifest = DutyManifest(
        name="tripwires",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION,),
        inputs=(),
        outputs=("tripwire-changed",),
        cost=0.2,
        permissions=("AlertSink", "Clock", "EventSink", "FileWatch", "Store", "Watching"),
        restart=Restart.ON_FAILURE,
    )

    async def keep(self, watch: Watch, /) -> None:
        watching = watch.tools.get(Watching)
        if not watching.tripwires:
            watch.progress("off: no file is set (canary.tripwires)")
            return
        async for _ in watch.beats(TRIPWIRES_EVERY_S):
            watch.progress(f"{counted(len(watching.tripwires), 'file is', 'files are')} watched")
            for path in watching.tripwires:
                await self._look(watch, watching, path)

    async def _look(self, watch: Watch, watching: Watching, path: str) -> None:
        store = watch.tools.get(Store)
        row = await store.get(TRIPWIRES, DEFAULT_TENANT, path)
        seen = _seen(await watch.tools.get(FileWatch).mark(path))
        if row is not None:
            known = decode(row.value, Tripwire)
            change = difference(known.seen, seen)
            if not change:
                return
            await self._tell(watch, watching, known, seen, change)
            watch.progress(f"{path} was {change}", done=1)
        now = Tripwire(
            id=path, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=watch.clock.wall_ns(), path=path, seen=seen
        )
        await store.commit([Put(TRIPWIRES, DEFAULT_TENANT, path, encode(now))])

    async def _tell(self, watch: Watch, watching: Watching, known: Tripwire, seen: Seen | None, change: str) -> None:
        now_ns = watch.clock.wall_ns()
        watch.tools.get(AlertSink).alert(AlertLevel.URGENT, "node", f"a watched file was {change}", path=known.path)
        after = "" if seen is None else f"{seen.digest}/{seen.modified_ns}/{seen.mode}"
        key = derive_id(known.at_ns, KIND, known.path, after)
        fields = {"path": known.path, "change": change, "host": watching.node}
        await watch.tools.get(EventSink).submit(KIND, dict(fields), tenant=DEFAULT_TENANT, at_ns=now_ns, key=key)


def _seen(mark: FileMark | None) -> Seen | None:
    return None if mark is None else Seen(mark.size, mark.mode, mark.modified_ns, mark.digest)


tripwire_duty = TripwireDuty()
