"""Bounds of the package."""

# Jobs that one report reads; beyond that a shorter time is asked for.
MAX_REPORTED_JOBS = 1_000_000
# Jobs on one page of lines.
MAX_LINES = 1_000
# How often a node writes that it is up: what a report cannot see is shorter than that.
UPTIME_EVERY_S = 60.0
# A beat that comes this late is of a node that was not there in between.
UPTIME_GAP_S = 180.0
MAX_UPTIME_SPANS = 10_000
