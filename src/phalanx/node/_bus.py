"""The bus of a node: alone in its process, or connected with those of other nodes in a cluster."""

import contextlib
from collections.abc import AsyncIterator

from phalanx.core import AlertSink, AuditSink, Journals, Store
from phalanx.crypto.identity import Identities
from phalanx.messaging import Bus
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.cluster._invitations import Invitations
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry

_OUTBOX = "outbox"


@contextlib.asynccontextmanager
async def opened_bus(
    settings: Settings,
    ports: Ports,
    journals: Journals,
    store: Store,
    identities: Identities,
    ledger: AuditSink,
    telemetry: Telemetry,
    alerts: AlertSink,
    services: Services,
) -> AsyncIterator[tuple[Bus, Cluster | None]]:
    """Kept running as services. What is on the way to other nodes is in a journal until they have it."""
    organisation = settings.identity.organisation
    async with contextlib.AsyncExitStack() as stack:
        cluster: Cluster | None = None
        if ports.cluster is None:
            bus = Bus(
                settings.node.name, clock=ports.clock, ids=ports.ids, telemetry=telemetry, audit=ledger,
                organisation=organisation, store=store,
            )  # fmt: skip
        else:
            stack.push_async_callback(ports.cluster.close)
            invitations = Invitations(store, identities, clock=ports.clock, entropy=ports.entropy)
            cluster = Cluster(
                ports.cluster, identities, invitations, ports.join_token, ports=ports, audit=ledger, alerts=alerts,
                telemetry=telemetry,
            )  # fmt: skip
            journal = await journals.open(_OUTBOX)
            stack.push_async_callback(journal.close)
            peers = await cluster.open_peers(ports, telemetry)
            stack.push_async_callback(peers.close)
            bus = await Bus.open(
                cluster.process, journal=journal, peers=peers, clock=ports.clock, ids=ports.ids, telemetry=telemetry,
                rng=ports.rng.child("bus"), audit=ledger, organisation=organisation, store=store,
                proofs=cluster.proofs,
            )  # fmt: skip
            cluster.start_talking(bus)
            services.start("cluster", cluster.run)
        services.start("bus", bus.run)
        stack.callback(bus.close)
        yield bus, cluster
