"""Money and quotas: what a job will cost, who may still spend that, and what it cost in the end.

A budget grants a tenant an amount of one unit in each period: a currency (credits are one), jobs, shots, or seconds of
devices. A job holds its estimate from every budget of its tenant that counts it; when it has completed, what it really
took is spent and the rest is free again; when it failed, all of it is. Which device's list of prices was used, and of
when that list is, stays with the charge.

Errors::

    PhalanxError (core)
    └── OverBudget    a job would cost more than is left; says what, of how much, and when more comes
"""

from phalanx.allocation._layouts import run_seconds
from phalanx.allocation.money._accounts import Account, held, released, settled
from phalanx.allocation.money._budgets import Budgets, BudgetView
from phalanx.allocation.money._costs import JobCost, PriceListed, cost_of
from phalanx.allocation.money._errors import OverBudget
from phalanx.allocation.money._own_prices import OwnPrices
from phalanx.allocation.money._periods import Period, Span
from phalanx.allocation.money._prices import PRICES, Prices, PriceTable
from phalanx.allocation.money._pricing import (
    JOBS_UNIT,
    QUOTAS,
    SECONDS_UNIT,
    SHOTS_UNIT,
    Needs,
    estimate,
    together,
    used,
)
from phalanx.allocation.money._records import (
    ACCOUNTS,
    BUDGETS,
    CHARGES,
    Budget,
    Charge,
    ChargeState,
    Hold,
    Place,
    Share,
)

__all__ = [
    "ACCOUNTS",
    "BUDGETS",
    "CHARGES",
    "JOBS_UNIT",
    "PRICES",
    "QUOTAS",
    "SECONDS_UNIT",
    "SHOTS_UNIT",
    "Account",
    "Budget",
    "BudgetView",
    "Budgets",
    "Charge",
    "ChargeState",
    "Hold",
    "JobCost",
    "Needs",
    "OverBudget",
    "OwnPrices",
    "Period",
    "Place",
    "PriceListed",
    "PriceTable",
    "Prices",
    "Share",
    "Span",
    "cost_of",
    "estimate",
    "held",
    "released",
    "run_seconds",
    "settled",
    "together",
    "used",
]
