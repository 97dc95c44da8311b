"""Peers of sinks and sources: in memory, and as servers that behave as their products do."""

from phalanx.testing.delivery._labs import SINK_LABS, HttpLab, SyslogLab, context_of
from phalanx.testing.delivery._peers import MemoryPeer, MemorySink
from phalanx.testing.delivery._products import (
    ElasticPeer,
    PagesPeer,
    SecOpsPeer,
    SentinelPeer,
    SoarPeer,
    SplunkPeer,
    WebhookPeer,
    XsoarPeer,
)
from phalanx.testing.delivery._server import Asked, Given, PeerServer, Product
from phalanx.testing.delivery._sim import LossySink, delivery_simulation
from phalanx.testing.delivery._syslog import SyslogPeer

__all__ = [
    "SINK_LABS",
    "HttpLab",
    "SyslogLab",
    "context_of",
    "Asked",
    "ElasticPeer",
    "Given",
    "LossySink",
    "MemoryPeer",
    "MemorySink",
    "PagesPeer",
    "PeerServer",
    "Product",
    "SecOpsPeer",
    "SentinelPeer",
    "SoarPeer",
    "SplunkPeer",
    "SyslogPeer",
    "WebhookPeer",
    "XsoarPeer",
    "delivery_simulation",
]
