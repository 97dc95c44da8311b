"""A pattern in what sensors say of TLS and SSH: post-quantum key exchange that was agreed on and is not any more.

It has innocent reasons too, and what is told says so.

Of connections there are Zeek's names (``ssl.log``, ``ssh.log``) and
Suricata's. A connection counts as downgraded when client and server agreed on a hybrid group before, and on another
one this time.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from phalanx.core import MAX_NAME_CHARS, EventBatch, Severity, TenantId
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel.signs._flows import HYBRID
from phalanx.intel.signs._harvest import HARVEST_RULES
from phalanx.intel.signs._limits import MAX_PEERS

_GROUP_FIELDS: Final = ("curve", "kex_alg", "tls.curve", "tls.group")
_PEER_FIELDS: Final = (("id.orig_h", "id.resp_h", "id.resp_p"), ("src_ip", "dest_ip", "dest_port"))

DOWNGRADED: Final = Pattern(
    name="post-quantum key exchange was given up",
    title="A peer that exchanged keys post-quantum before did not this time",
    severity=Severity.MEDIUM,
    description="Somebody in between may have taken the hybrid group out of the offer, so that what is recorded now "
    "can be read later. A server that was replaced or set up anew does the same.",
    confidence=0.3,
    techniques=("T1557", "T1600"),
)
# Patterns that are signs once somebody looked and said that they are right.
CONFIRMABLE: Final = (DOWNGRADED.name, *HARVEST_RULES)


class DowngradeDetector:
    """Remembers between whom hybrid groups were agreed, and tells when one is not any more."""

    def __init__(self) -> None:
        self._seen: dict[TenantId, OrderedDict[str, None]] = {}
        self._told: dict[TenantId, OrderedDict[str, None]] = {}
        self._changed: set[TenantId] = set()

    @property
    def name(self) -> str:
        return "post-quantum downgrades"

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        column = next((batch.columns[name] for name in _GROUP_FIELDS if name in batch.columns), None)
        ends = next((names for names in _PEER_FIELDS if all(name in batch.columns for name in names)), None)
        if column is None or ends is None:
            return ()
        hits = []
        seen = self._seen.setdefault(batch.tenant, OrderedDict())
        told = self._told.setdefault(batch.tenant, OrderedDict())
        for place, group in enumerate(column):
            if not isinstance(group, str) or not group:
                continue
            client, server, port = (str(batch.columns[name][place]) for name in ends)
            pair = f"{client} {server} {port}"
            if group.lower() in HYBRID:
                _remember(seen, pair)
                told.pop(pair, None)
                self._changed.add(batch.tenant)
            elif pair in seen and pair not in told:
                _remember(told, pair)
                self._changed.add(batch.tenant)
                hits.append(Hit(
                    DOWNGRADED, batch, (place,), subject=server[:MAX_NAME_CHARS],
                    told=f"{client} and {server}:{port} agreed on a hybrid group before, and on {group} now",
                ))  # fmt: skip
        return hits

    def state(self, tenant: TenantId) -> bytes | None:
        """The pairs, the latest last; None when nothing changed."""
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        return msgspec.msgpack.encode([list(self._seen.get(tenant, ())), list(self._told.get(tenant, ()))])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Remember these pairs and no others."""
        self._changed.discard(tenant)
        seen, told = ([], []) if state is None else msgspec.msgpack.decode(state, type=list[list[str]])
        self._seen[tenant], self._told[tenant] = OrderedDict.fromkeys(seen), OrderedDict.fromkeys(told)


def _remember(pairs: "OrderedDict[str, None]", pair: str) -> None:
    pairs[pair] = None
    pairs.move_to_end(pair)
    while len(pairs) > MAX_PEERS:
        pairs.popitem(last=False)
