"""Errors of the room; the tree is drawn in the package's docstring."""

from phalanx.core import Overloaded, PhalanxError


class BalancingError(PhalanxError):
    """Root of this room's own errors."""

    code = "balancing"


class NoEligibleResource(BalancingError):
    """Some operations may be done by no resource. ``operations`` names the first few, ``count`` all of them."""

    code = "no-eligible-resource"
    count: int

    def __init__(self, operations: tuple[str, ...], *, count: int, reason: str = "") -> None:
        named = ", ".join(operations) + (f" and {count - len(operations)} more" if count > len(operations) else "")
        super().__init__(
            f"no resource can take {named}" + (f": {reason}" if reason else ""),
            hint="add a resource with the kind and capacity they need, or make more resources eligible",
            count=count,
        )
        self.operations = operations


class QueuesFull(Overloaded):
    """Every resource eligible for the operation has a full queue. ``pool``."""

    code = "queues-full"

    def __init__(self, pool: str, *, retry_after_s: int) -> None:
        super().__init__(f"every eligible queue of pool {pool}", retry_after_s=retry_after_s)
        self.pool = pool
