"""What duties and skills need besides the node's own state: plans from the settings, and ports to the surroundings."""

from collections.abc import Sequence

from phalanx.agents import Skill, Toolbox
from phalanx.core import EntropySource, EventSink, FileWatch, FindingReader, Listeners, Trail
from phalanx.deception import TOUCH, TOUCH_RULES, Decoys
from phalanx.incidents import CONFIRMED_SIGN, SIGN_RULES
from phalanx.intel import OwnEvents, StoredTrail
from phalanx.intel.places import Places
from phalanx.node._node import Node
from phalanx.node._ports import Ports
from phalanx.node.canaries._probing import Probes
from phalanx.node.canaries._watching import Watching, watching_of
from phalanx.node.settings._settings import Settings
from phalanx.posture import STOCK_RULES, VULNERABLE_CRYPTO, EndpointProbe, StockPlan
from phalanx.telemetry import Telemetry


def skills_for(kind: str, skills: Sequence[Skill]) -> list[str]:
    """The skills that take records of this kind, by their manifests."""
    return [skill.manifest.name for skill in skills if kind in skill.manifest.inputs]


def skills_by_rule(skills: Sequence[Skill]) -> dict[str, list[str]]:
    """The skills that take findings of some rules alone, by rule."""
    kinds = {CONFIRMED_SIGN: SIGN_RULES, TOUCH: TOUCH_RULES, VULNERABLE_CRYPTO: STOCK_RULES}
    return {rule: names for kind, rules in kinds.items() if (names := skills_for(kind, skills)) for rule in rules}


def probes_of(settings: Settings, telemetry: Telemetry) -> Probes:
    """How the node probes itself."""
    return Probes(telemetry, every_s=settings.canary.probe_every_s, late_s=settings.canary.probe_late_s)


def decoys_of(settings: Settings) -> Decoys:
    """What is to be put out."""
    wanted = settings.deception
    return Decoys(
        host=wanted.host,
        ssh=wanted.ssh,
        http=wanted.http,
        tcp=wanted.tcp,
        users=wanted.users,
        files=tuple(str(path) for path in wanted.files),
        node=settings.node.name,
    )


def provide_for_roles(toolbox: Toolbox, node: Node, ports: Ports) -> None:
    """Offer what is not the node's own state."""
    settings = node.settings
    toolbox.provide(Places, node.detection.places)
    toolbox.provide(Decoys, decoys_of(settings))
    stock = settings.posture
    paths = tuple(str(path) for path in stock.paths)
    toolbox.provide(StockPlan, StockPlan(settings.node.name, paths, stock.endpoints))
    toolbox.provide(Watching, watching_of(settings, node.sentinel.rules))
    toolbox.provide(Probes, node.probes)
    toolbox.provide(EventSink, OwnEvents(node.intake, node.clock))
    toolbox.provide(Listeners, ports.listeners)
    toolbox.provide(FileWatch, ports.files)
    toolbox.provide(EndpointProbe, ports.endpoints)
    toolbox.provide(EntropySource, ports.entropy)
    toolbox.provide(FindingReader, node.findings)
    toolbox.provide(Trail, StoredTrail(node.events, node.offload))
