"""Which nodes continue each other's missions, and what goes along with one: the finding it is about."""

from collections.abc import Sequence

from phalanx.agents import Carrier, Mission, Succession
from phalanx.core import (
    PROBE_TENANT,
    AlertSink,
    AuditSink,
    Clock,
    Finding,
    InvalidInput,
    NotFound,
    Put,
    Store,
    decode,
    encode,
)
from phalanx.intel import Findings, finding_put
from phalanx.messaging import Bus
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry

_ALL = "*"


class FindingCarrier:
    """Implements ``Carrier`` for missions about findings; raw events stay where they are."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    async def pack(self, mission: Mission, /) -> bytes | None:
        # A probe measures the node that it is of, and the steps of an order follow each other where it was placed.
        if mission.tenant == PROBE_TENANT or mission.order:
            return None
        try:
            return encode(await self._findings.get(mission.tenant, mission.subject))
        except NotFound:
            return None

    def unpack(self, mission: Mission, luggage: bytes, /) -> Sequence[Put]:
        finding = decode(luggage, Finding)
        if (finding.id, finding.tenant) != (mission.subject, mission.tenant):
            raise InvalidInput("luggage", "is not what the mission is about")
        return (finding_put(finding),)


def opened_succession(
    settings: Settings, cluster: Cluster | None, bus: Bus, store: Store, *, clock: Clock, telemetry: Telemetry,
    audit: AuditSink, alerts: AlertSink,
) -> Succession | None:  # fmt: skip
    """Where the settings name nodes. Raises ``InvalidInput`` when there is no cluster that they could be in."""
    wanted = frozenset(settings.cluster.heirs)
    if not wanted:
        return None
    if cluster is None:
        raise InvalidInput(
            "cluster.heirs", "this node is in no cluster", hint="start it with --cluster or --join, or name no heirs"
        )
    joined = cluster

    def nodes() -> frozenset[str]:
        return joined.met if _ALL in wanted else joined.met & wanted

    carrier: Carrier = FindingCarrier(Findings(store))
    return Succession(bus, store, nodes, carrier, clock=clock, telemetry=telemetry, audit=audit, alerts=alerts)
