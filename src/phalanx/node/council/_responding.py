"""Who decides on actions: the policy and then, where the settings say so, agents or the nodes of the cluster."""

from phalanx.agents import Swarm
from phalanx.consensus import Archive
from phalanx.core import InvalidInput, Store
from phalanx.crypto.identity import Identities
from phalanx.crypto.vault import Vault
from phalanx.incidents import Approval, ContainmentPolicy, Responses
from phalanx.ledger import Ledger
from phalanx.messaging import Bus
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.cluster._assembly import Assembly
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.council._chamber import Chamber
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Alerts, Telemetry


def opened_responses(
    settings: Settings,
    ports: Ports,
    archive: Archive,
    store: Store,
    ledger: Ledger,
    vault: Vault,
    swarm: Swarm,
    identities: Identities,
    bus: Bus,
    cluster: Cluster | None,
    telemetry: Telemetry,
    alerts: Alerts,
    services: Services,
) -> tuple[Responses, Assembly | None]:
    """What the policy approves takes the agreement of others as well, where the settings say so.

    A node in a cluster takes part in what the others decide, whatever it asks itself.
    """
    response = settings.response
    assembly: Assembly | None = None
    approval: Approval | None = None
    if cluster is not None:
        assembly = Assembly(
            bus, lambda: cluster.met, identities, archive, clock=ports.clock, offload=ports.offload, alerts=alerts,
            telemetry=telemetry,
        )  # fmt: skip
    if response.agreement and response.council == "nodes":
        if assembly is None:
            raise InvalidInput(
                "response.council", "nodes are to agree, and this one is in no cluster",
                hint="start it with --cluster or --join, or have its agents agree: response.council=agents",
            )  # fmt: skip
        approval = assembly
    elif response.agreement:
        approval = chamber = Chamber(
            swarm, identities, archive, store=store, vault=vault, ports=ports, telemetry=telemetry, alerts=alerts,
            votes=response.votes,
        )  # fmt: skip
        services.start("vote-keys", chamber.run)
    skills = [one.name for one in swarm.skills() if "approved-action" in one.inputs]
    responses = Responses(
        store, ledger, _policy(settings, ports), ports.clock, telemetry,
        approval=approval, skills=skills, on_missions=swarm.wake,
    )  # fmt: skip
    if assembly is not None:
        assembly.judges_by(responses.ruling)
        services.start("assembly", assembly.run)
    return responses, assembly


def _policy(settings: Settings, ports: Ports) -> ContainmentPolicy:
    response = settings.response
    return ContainmentPolicy(
        protected_hosts=response.protected_hosts,
        min_probability=response.min_probability,
        max_hosts=response.max_hosts,
        max_evidence_age_s=response.max_evidence_age_s,
        own_hosts=(settings.node.name, ports.machine),
    )
