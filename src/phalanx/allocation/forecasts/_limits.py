"""Bounds and constants of the package."""

MAX_HORIZONS = 16
MAX_HORIZON_STEPS = 2_016
# How much older errors count, a step; and how strongly coefficients are drawn towards nothing.
FORGETTING = 0.9995
RIDGE = 5.0
# Smoothed levels that the series is compared with: about so many steps back.
FAST, SLOW, USUAL = 6.0, 96.0, 2_016.0
# Errors of late, for the choice between the two and for intervals.
ERROR_STEPS = 200.0
RESIDUALS = 288
FEWEST_RESIDUALS = 20
# Of one replay of warming.
MAX_WORKERS = 100_000
# What a node forecasts from: steps of five minutes, of the last week; and how far ahead.
STEP_S = 300
DAYS = 7
HORIZONS = (1, 12, 72)
MAX_JOBS_READ = 200_000
# Machines whose queues' forecasts are remembered until the next step.
MAX_QUEUES_KNOWN = 4_096
# Calls that must be told of for a step before a process is begun for them.
WARM_FROM = 0.5
# What counts as the work of an hour, and how many days must have had it.
BUSY_QUANTILE, FEWEST_DAYS, RECURS_ON = 0.75, 2, 0.6
