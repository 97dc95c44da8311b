"""The page of connectors: who is told, where events come from, and how each is doing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import TenantId
from phalanx.intel.delivery import SinkView, SourceView

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class ConnectorsView:
    """What the page shows: the tenant's."""

    sinks: tuple[SinkView, ...]
    sources: tuple[SourceView, ...]


async def connectors_view(node: "Node", tenant: TenantId) -> ConnectorsView:
    """As they stand."""
    return ConnectorsView(tuple(await node.delivery.sinks(tenant)), tuple(node.delivery.sources(tenant)))
