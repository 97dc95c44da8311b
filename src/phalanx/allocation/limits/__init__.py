"""Limits that follow each machine, with floors: how old its calibration may be, and when its queue is long.

What adapts is learned from the machine's own history; every change is recorded with its reason. Whether that pays was
measured on real traces (``phalanx bench forecast``): limits of queues do and are on, limits of age do not and are off.
"""

from phalanx.allocation.limits._freshness import FreshFor, fresh_for, losses_of, of_history
from phalanx.allocation.limits._keeping import LIMITS, DeviceLimits, LimitChange, LimitView

__all__ = [
    "DeviceLimits",
    "FreshFor",
    "LIMITS",
    "LimitChange",
    "LimitView",
    "fresh_for",
    "losses_of",
    "of_history",
]
