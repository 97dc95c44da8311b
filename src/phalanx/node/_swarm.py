"""The swarm of a node: what it consists of, what its agents may use, and who is removed from it."""

from collections.abc import Sequence

from phalanx.agents import Duty, Missions, Quarantined, Skill, Swarm, Toolbox, Workers
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Clock,
    IdSource,
    NotFound,
    Offload,
    Store,
    derive_id,
)
from phalanx.crypto.identity import Identities, Why
from phalanx.intel import DETECTORS_GROUP
from phalanx.messaging import Bus
from phalanx.node._node import Node
from phalanx.node._plugins import DUTIES, SKILLS, checked_duty, checked_skill, load_plugins
from phalanx.node._ports import Ports
from phalanx.node._roles import provide_for_roles
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.cluster._succession import opened_succession
from phalanx.node.custody._identities import per_role
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Alerts, Telemetry


def load_work(alerts: AlertSink, besides: Sequence[Skill] = ()) -> tuple[list[Skill], list[Duty]]:
    """The skills and duties that plug-ins bring, and the skills that a program gives besides."""
    skills = list(besides)
    duties: list[Duty] = []
    load_plugins(SKILLS, alerts, lambda skill: skills.append(checked_skill(skill, skills)))
    load_plugins(DUTIES, alerts, lambda duty: duties.append(checked_duty(duty, duties)))
    return skills, duties


def opened_swarm(
    settings: Settings,
    ports: Ports,
    store: Store,
    identities: Identities,
    bus: Bus,
    cluster: Cluster | None,
    audit: AuditSink,
    toolbox: Toolbox,
    telemetry: Telemetry,
    alerts: Alerts,
    work: tuple[Sequence[Skill], Sequence[Duty]],
) -> Swarm:
    """The swarm, not started yet; who holds the event loop is watched from now on."""
    numbers = per_role(settings)
    skills = [skill for skill in work[0] if numbers[skill.manifest.role]]
    duties = [duty for duty in work[1] if numbers[duty.manifest.role]]
    succession = opened_succession(
        settings, cluster, bus, store, clock=ports.clock, telemetry=telemetry, audit=audit, alerts=alerts
    )
    swarm = Swarm(
        store, clock=ports.clock, telemetry=telemetry, rng=ports.rng.child("swarm"), toolbox=toolbox, skills=skills,
        duties=duties, agents_per_role=numbers, admission=identities.seats, bus=bus, entropy=ports.entropy,
        offload=ports.offload, alerts=alerts, locality=settings.node.name,
        reserved=settings.agents.reserved, succession=succession,
    )  # fmt: skip
    if ports.loop_watch is not None:
        ports.loop_watch.start(settings.agents.hog_s, swarm.hogged)
    return swarm


def provide_tools(toolbox: Toolbox, node: Node, ports: Ports) -> None:
    """What a skill or a duty may ask for, as its manifest says; and detectors, which are made over the same tools."""
    for tool in (
        node.engine, node.findings, node.responses, node.events, node.intake, node.swarm, node.identities, node.ledger,
        node.alerts, node.telemetry, node.fleet, node.assessments, node.cases, node.incidents, node.sentinel, node.bus,
        node.hunts, Missions(node.store), Workers(ports.processes),
    ):  # fmt: skip
        toolbox.provide(type(tool), tool)
    # By what they are to others: their implementations differ from node to node.
    by_port: dict[type, object] = {
        Clock: node.clock, Store: node.store, Offload: node.offload, IdSource: node.ids, AuditSink: node.ledger,
        AlertSink: node.alerts,
    }  # fmt: skip
    for kind, port in by_port.items():
        toolbox.provide(kind, port)
    provide_for_roles(toolbox, node, ports)
    load_plugins(DETECTORS_GROUP, node.alerts, lambda factory: node.sentinel.join(factory(toolbox)))


async def quarantine(node: Node, agent: str, reason: str, *, by: str) -> Quarantined:
    """Set an agent apart, take its identity away, and put both on record. Raises ``NotFound``."""
    one = node.swarm.quarantine(agent, reason, by=by)
    node.alerts.alert(AlertLevel.WARNING, "agents", f"the agent {agent} was set apart", reason=reason, by=by)
    await node.ledger.record(
        AuditEntry(
            id=derive_id(one.at_ns, "quarantine", agent),
            tenant=DEFAULT_TENANT,
            trace=NO_TRACE,
            at_ns=one.at_ns,
            actor=by,
            action="agent.quarantine",
            subject=agent,
            case="",
            body={"reason": reason, "identity": one.identity, "successor": one.successor},
        )
    )
    if one.identity:
        # It may have been seated a moment ago: what is to be revoked must be on record.
        await node.identities.upkeep.record()
        try:
            await node.identities.revoke(one.identity, Why.KEY_COMPROMISED, actor=by, note=reason)
        except NotFound as missing:
            node.telemetry.log.warning("identity not revoked", agent=agent, reason=missing.message)
    return one
