"""What may go wrong in a world, by name and by how often. The seed decides when."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFaults:
    """How one direction of a link behaves; probabilities are per datagram.

    The delay is ``delay_min_ms`` plus an exponential part with mean ``delay_mean_ms``, cut at
    ``delay_max_ms``. A datagram keeps its place behind earlier ones on the link unless
    ``reordering`` lets it overtake them.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    delay_min_ms: float = 0.1
    delay_mean_ms: float = 0.4
    delay_max_ms: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFaults:
    """How a disk behaves, and what power loss does to bytes that were not made durable.

    The four ``tail_…`` weights say how often an unsynced tail is dropped whole, cut at a random
    byte, left with sectors zeroed or scrambled, or happens to be all there. ``name_kept`` is the
    probability that a creation or removal survives without its folder being synced, and
    ``lying_sync`` that a sync returns without having done anything, as cheap disks do.
    """

    operation_mean_us: float = 20.0
    sync_mean_us: float = 200.0
    tail_lost: float = 1.0
    tail_torn: float = 1.0
    tail_garbage: float = 1.0
    tail_kept: float = 1.0
    name_kept: float = 0.5
    lying_sync: float = 0.0
    capacity_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Defaults of a world: a good network, and disks that lose what was not synced."""

    network: NetworkFaults = field(default_factory=NetworkFaults)
    disk: DiskFaults = field(default_factory=DiskFaults)


# A network that nobody would want, still good enough for a protocol that retries.
ROUGH_NETWORK = NetworkFaults(loss=0.1, duplication=0.05, reordering=0.2, delay_min_ms=0.5, delay_mean_ms=5.0)
