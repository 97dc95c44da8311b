"""Errors of the package; the tree is drawn in its docstring."""

from phalanx.allocation.money._pricing import QUOTAS
from phalanx.devices import TooDear


class OverBudget(TooDear):
    """A job would cost more than is left. ``budget``, ``unit``, ``costs``, ``left``, ``renews_at_ns`` (0: never)."""

    code = "over-budget"
    budget: str
    unit: str
    costs: float
    left: float
    renews_at_ns: int

    def __init__(
        self, tenant: str, budget: str, unit: str, *, costs: float, left: float, limit: float, renews: tuple[int, str]
    ) -> None:
        renews_at_ns, when = renews
        if budget:
            kept = f"of the {_told(limit)} {unit} of budget {budget!r} {_told(left)} are left"
        else:
            kept = f"tenant {tenant!r} has budgets, but none in {unit}"
        hint = f"more comes {when}" if renews_at_ns else "ask who keeps the budgets (`phalanx budgets set`)"
        super().__init__(
            f"it costs {_told(costs)} {unit}, and {kept}", hint=f"{hint}, or ask for less: fewer shots, another device",
            tenant=tenant, budget=budget, unit=unit, costs=costs, left=left, limit=limit, renews_at_ns=renews_at_ns,
            may_cost=None if unit in QUOTAS else left,
        )  # fmt: skip


def _told(amount: float) -> str:
    return f"{amount:,.6f}".rstrip("0").rstrip(".")
