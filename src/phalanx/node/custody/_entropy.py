"""Finds the noise sources named in the settings, and puts them under watch."""

from collections.abc import Sequence

from phalanx.core import AlertLevel, AlertSink, InvalidInput, Rng
from phalanx.crypto.entropy import SOURCES_GROUP, NoiseSource, NoiseWatch, SourceContext
from phalanx.node._plugins import registered
from phalanx.node._ports import Ports
from phalanx.telemetry import Telemetry

SYSTEM = "os"


def open_sources(named: Sequence[str], rng: Rng) -> tuple[list[NoiseSource], list[str]]:
    """The operating system's source and those ``named``; and why some are left out, which stops no node."""
    known = {entry.name: entry for entry in registered(SOURCES_GROUP)}
    sources: dict[str, NoiseSource] = {}
    left_out: list[str] = []
    for text in (SYSTEM, *named):
        plug_in, _, argument = text.partition(":")
        try:
            if plug_in not in known:
                raise InvalidInput("entropy.sources", f"there is no plug-in {plug_in}; there are {', '.join(known)}")
            source: NoiseSource = known[plug_in].load()(SourceContext(argument, rng))
            if source.name in sources:
                raise InvalidInput("entropy.sources", f"{source.name} is there twice")
            sources[source.name] = source
        except Exception as error:  # noqa: BLE001 - a third party's code may fail in any way
            left_out.append(f"entropy source {text} is left out: {error}")
    return list(sources.values()), left_out


async def watch_noise(ports: Ports, alerts: AlertSink, telemetry: Telemetry) -> NoiseWatch:
    """The sources of these ports, after their start-up tests."""
    for text in ports.noise.left_out:
        alerts.alert(AlertLevel.WARNING, "node", text)
    watch = NoiseWatch(
        ports.noise.sources, ports.noise.stir,
        clock=ports.clock, offload=ports.offload, alerts=alerts, telemetry=telemetry,
    )  # fmt: skip
    await watch.start_up()
    return watch
