"""NATS (extra ``cluster``): a server of our own or another's, and what nodes and workers send through it."""

from phalanx.adapters.nats._client import NatsAccess
from phalanx.adapters.nats._cluster import ClusterAccess, NatsCluster, ServePlan
from phalanx.adapters.nats._config import NatsServerPlan
from phalanx.adapters.nats._nkey import Nkey
from phalanx.adapters.nats._server import NatsServer, find_nats_server, nats_server_version
from phalanx.adapters.nats._transport import NatsTransport
from phalanx.adapters.nats._work import NatsCrewLine, NatsHandLine

__all__ = [
    "ClusterAccess",
    "NatsAccess",
    "NatsCluster",
    "NatsCrewLine",
    "NatsHandLine",
    "NatsServer",
    "NatsServerPlan",
    "NatsTransport",
    "Nkey",
    "ServePlan",
    "find_nats_server",
    "nats_server_version",
]
