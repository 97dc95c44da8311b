"""Who used what and what it cost, what each device earned, and whether what was promised was kept.

All of it is read from what jobs left behind: their charges, how they ended and when, what devices were seen to be, and
when the node itself was up. A report is of jobs that were submitted from one moment to before another.
"""

from phalanx.allocation.reports._reading import Reports
from phalanx.allocation.reports._rows import ChargebackRow, ChargeRow, RevenueRow, SlaRow, csv_of
from phalanx.allocation.reports._tallies import Promise, availability, chargeback, lines, quantile, revenue, sla
from phalanx.allocation.reports._uptime import UPTIME, Span, Uptime

__all__ = [
    "UPTIME",
    "ChargeRow",
    "ChargebackRow",
    "Promise",
    "Reports",
    "RevenueRow",
    "SlaRow",
    "Span",
    "Uptime",
    "availability",
    "chargeback",
    "csv_of",
    "lines",
    "quantile",
    "revenue",
    "sla",
]
