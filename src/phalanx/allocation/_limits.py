"""Bounds of the room."""

MAX_DEVICES = 4_096
# The best few of the compiled tier; what is computed on a mapped layout is computed for these.
SHORTLIST = 3
MAX_SHORTLIST = 16
# Of one calendar.
MAX_RESOURCES = 4_096
MAX_BOOKINGS = 10_000
MAX_DEMANDS = 16
MAX_BOOKED_NS = 31 * 86_400 * 10**9
# So often backfill makes room for others before it asks as firm.
MAX_YIELDS = 3
# Ended bookings that are kept to be looked at.
MAX_ENDED_BOOKINGS = 1_000
# How often it is looked whether others have written a shared calendar.
LOOK_AT_CALENDAR_S = 5.0
# How long such a look may take before the calendar counts as away.
LOOK_WITHIN_S = 5.0
# Attempts at one change while others write the same calendar.
MAX_CONFLICTS = 32
# Layouts that are remembered, by circuit, device and calibration.
MAX_LAYOUTS = 4_096
# Jobs that wait for a device in one dispatcher.
MAX_WAITING_JOBS = 1_000_000
# Failures in a row that open the breaker of a device, and of a provider.
DEVICE_FAILURES = 2
PROVIDER_FAILURES = 5
# How often runs fail anyway is learned over about so many; failures in a row less likely than this open a breaker, and
# so many always do.
FIRST_FAILURE_RATE, RUNS_REMEMBERED, COINCIDENCE, MAX_FAILURES = 0.01, 50.0, 0.01, 8
BREAKER_PAUSE_S = 30.0
MAX_BREAKER_PAUSE_S = 3_600.0
MAX_BREAKERS = 8_192
# Decisions of a tenant that are kept to be looked at, and circuits whose counts are.
MAX_RECENT_DECISIONS = 256
MAX_KNOWN_CIRCUITS = 4_096
# What one run is taken to last before one has ended, and how much less each older one counts.
FIRST_RUN_S = 1.0
RUN_TIMES_KEPT = 0.97
# Runs that must have ended before one can be called slow, and the least that is waited before that.
MIN_RUNS_PREDICTED = 8
MIN_PATIENCE_S = 5.0
# Circuits whose results are checked against what is ideal, and how good guessing may be where that tells something.
MAX_CHECKED_QUBITS = 12
MAX_GUESSED = 0.8
# Outcomes that put estimated success on the scale of what is reached, and how often that is done anew.
MAX_CALIBRATED = 1_024
CALIBRATE_EVERY = 8
# What may be tried lies so close to the best in expected fidelity; decisions without an outcome yet; kept outcomes.
SAFE_SLACK = 0.03
MAX_PENDING_TRIALS = 10_000
MAX_EXPERIENCE = 5_000
PRUNE_EVERY = 100
# A policy is promoted after so many outcomes, where it would have chosen the same so often and may not lose more.
MIN_JUDGED = 50
# Fewer outcomes than this say nothing of how far off their mean is.
MIN_INTERVAL = 10
MIN_MATCHED = 10
SAFE_LOSS = 0.01
# Circuits that are simulated under the noise of a device before one is chosen.
MAX_EXPECTED_QUBITS = 8
# Devices by tenant whose booked times are remembered as they were put together.
MAX_BOOKED_VIEWS = 8_192
# A circuit that is told by its counts alone.
MAX_SHAPE_QUBITS = 16_384
# A machine where new work waits longer than this is no longer as good for a program as a larger one that is free.
PROGRAM_PATIENCE_S = 60.0
