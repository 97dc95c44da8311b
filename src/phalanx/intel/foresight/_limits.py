"""Bounds of foresight, in one place."""

# Findings that are looked at, the newest; how many there must be, and how many in what is judged.
MAX_FINDINGS = 5_000
MIN_FINDINGS = 40
# Bins of a series, classes that are forecast, and windows of a history.
BINS, CLASSES, WINDOWS = 120, 3, 24
# After how many windows a finding counts half for the risk, and how many windows of a usual host stand beside.
HALF_WINDOWS, USUAL_WEIGHT = 0.7, 2.0
# Entities of the graph, hosts whose risk is told, and rows that are learned from.
MAX_NODES, MAX_HOSTS, MAX_ROWS = 200, 12, 4_000
FORESEE_LIMIT_S = 240.0
