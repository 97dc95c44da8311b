"""Intelligence shared: the way in and out, made of the settings."""

from phalanx.core import AuditSink, Store
from phalanx.intel.sharing import Exchange, marking_named
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings


def opened_exchange(settings: Settings, ports: Ports, store: Store, audit: AuditSink) -> Exchange:
    """The exchange over the node's store and ledger."""
    unmarked = marking_named(settings.taxii.unmarked)
    assert unmarked is not None, settings.taxii.unmarked
    return Exchange(store, ports.clock, ports.ids, audit, unmarked=unmarked)
