"""The two duties of deception agents: decoys that listen, and canary files that lie about."""

import asyncio

from phalanx.agents import Capability, DutyManifest, Restart, Role, Watch
from phalanx.core import (
    AlertLevel,
    AlertSink,
    Clock,
    EntropySource,
    EventSink,
    FileWatch,
    IdSource,
    Listeners,
    Store,
    counted,
    derive_id,
)
from phalanx.deception._canaries import CanaryFiles, Touch, canary_users
from phalanx.deception._limits import FILES_EVERY_S
from phalanx.deception._listening import DecoyPorts
from phalanx.deception._model import Capture, Decoys
from phalanx.deception._telling import CANARY_FILE, Telling

_TOOLS = ("AlertSink", "Clock", "Decoys", "EntropySource", "EventSink", "Store")


class DecoyDuty:
    """Keeps the decoy ports open; without any it is over at once, and costs nothing."""

    manifest = DutyManifest(
        name="decoys",
        role=Role.DECEPTION,
        capabilities=(Capability.DETECTION, Capability.AGGREGATION),
        inputs=(),
        outputs=("capture", "decoy-touched", "canary-credential-used"),
        cost=1.0,
        permissions=(*_TOOLS, "IdSource", "Listeners"),
        restart=Restart.ON_FAILURE,
    )

    async def keep(self, watch: Watch, /) -> None:
        decoys = watch.tools.get(Decoys)
        if not decoys.ports:
            watch.progress("off: no port is set (deception.ssh, deception.http, deception.tcp)")
            return
        store, clock = watch.tools.get(Store), watch.clock
        users = await canary_users(decoys, store, watch.tools.get(EntropySource), clock)
        telling = _telling(watch)

        async def touched(capture: Capture) -> None:
            told = await telling.touched(capture)
            watch.progress(f"{told.decoy} touched by {told.peer}", done=1)

        ports = DecoyPorts(
            decoys, users, touched, listeners=watch.tools.get(Listeners), clock=clock, ids=watch.tools.get(IdSource)
        )
        try:
            opened = await ports.open()
            watch.progress(", ".join(f"{kind} on {host}:{port}" for kind, host, port in opened))
            with watch.waiting():
                await telling.catch_up()
                await asyncio.Event().wait()
        finally:
            await ports.close()


class CanaryFileDuty:
    """Plants the canary files and looks whether somebody touched them."""

    manifest = DutyManifest(
        name="canary-files",
        role=Role.DECEPTION,
        capabilities=(Capability.DETECTION,),
        inputs=(),
        outputs=("canary-file-touched",),
        cost=0.5,
        permissions=(*_TOOLS, "FileWatch"),
        restart=Restart.ON_FAILURE,
    )

    async def keep(self, watch: Watch, /) -> None:
        decoys = watch.tools.get(Decoys)
        if not decoys.files:
            watch.progress("off: no file is set (deception.files)")
            return
        users = await canary_users(decoys, watch.tools.get(Store), watch.tools.get(EntropySource), watch.clock)
        canaries = CanaryFiles(decoys.files, users, watch.tools.get(FileWatch))
        await canaries.plant()
        self._complain(watch, canaries)
        async for _ in watch.beats(FILES_EVERY_S):
            watch.progress(f"{len(canaries.planted)} of {counted(len(decoys.files), 'file')} planted")
            for touch in await canaries.look():
                await self._tell(watch, decoys, touch)
                await canaries.rearm(touch)
                watch.progress(f"{touch.path} was {touch.what}", done=1)

    def _complain(self, watch: Watch, canaries: CanaryFiles) -> None:
        alerts = watch.tools.get(AlertSink)
        for path, reason in canaries.refused.items():
            alerts.alert(AlertLevel.WARNING, "deception", "a canary file is not planted", path=path, reason=reason)
        for path, sees_reading in canaries.planted.items():
            if not sees_reading:
                text = "the file system keeps no time of reading: only changes of this canary file are seen"
                alerts.alert(AlertLevel.NOTICE, "deception", text, path=path)

    async def _tell(self, watch: Watch, decoys: Decoys, touch: Touch) -> None:
        text = f"a canary file was {touch.what}"
        watch.tools.get(AlertSink).alert(AlertLevel.URGENT, "deception", text, path=touch.path)
        now_ns = watch.clock.wall_ns()
        # Without the time for a reading and a change: told again after a crash, it is the same event.
        key = derive_id(now_ns if not touch.key else 0, "canary-file", touch.path, touch.what, touch.key)
        fields = {"path": touch.path, "touch": touch.what, "host": decoys.node}
        await _telling(watch).submit(CANARY_FILE, dict(fields), now_ns, key)


def _telling(watch: Watch) -> Telling:
    tools = watch.tools
    return Telling(tools.get(Decoys), tools.get(Store), tools.get(EventSink), tools.get(AlertSink), tools.get(Clock))


decoy_duty = DecoyDuty()
canary_file_duty = CanaryFileDuty()
