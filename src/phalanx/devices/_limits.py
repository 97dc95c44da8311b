"""Bounds of the room."""

from phalanx.quantum import MAX_SIMULATED_QUBITS

MAX_BACKENDS = 4_096
MAX_QUBITS = 16_384
MAX_COUPLERS = 262_144
# A device in which all qubits couple lists its couplers up to 512 qubits.
MAX_LISTED_COUPLINGS = 131_072
# Vendors write 1.0 for "not calibrated": such a gate is broken, not merely bad.
DEAD_ERROR = 0.99
# Outcome probabilities that the local simulator keeps: an estimate asks for the same few circuits again and again.
MAX_REMEMBERED_CIRCUITS = 32
MAX_REMEMBERED_OUTCOMES = 4_096
MAX_SNAPSHOTS = 1_024
# Of a circuit on an emulated machine, as many as gates touch: more would take gibibytes.
MAX_EMULATED_QUBITS = MAX_SIMULATED_QUBITS

MAX_OPEN_JOBS = 10_000
MAX_KEY_CHARS = 200
MAX_REGIONS_ASKED = 64
# A number that every store and every vendor's SDK holds.
MAX_SEED = (1 << 63) - 1
# A deadline within a century: beyond it clocks in nanoseconds end.
MAX_WITHIN_S = 3_155_760_000
# How often somebody who waits for a job looks for an end that another process wrote.
LOOK_AT_JOBS_S = 1.0
# A job that takes the node with it each time is given up.
MAX_JOB_ATTEMPTS = 5
# Devices that a job is moved to, how often it waits for one to come back, and how long at first; it doubles.
MAX_JOB_MOVES = 16
MAX_JOB_YIELDS = 8
MAX_JOB_WAITS = 4
JOB_WAIT_S = 30.0
# How often it is looked whether a run that tries a device has ended, and how many times at most.
TRIAL_LOOK_S, TRIAL_LOOKS = 2.0, 300
# For how long one that was sent to a device by name waits for its vendor, where it has no deadline.
NAMED_WAIT_S = 3_600.0
# A job whose device is none of this node's is looked at again so often; it is begun when the node has the device again.
ABSENT_WAIT_S = 3_600.0
# What waits longer for a device that others have booked is moved, if there is another.
BOOKED_PATIENCE_S = 60.0
# The most that a vendor is believed that one job took on its machine.
MAX_USED_S = 31 * 86_400.0
# Jobs of one device that run in this process at once, and those that may wait at a vendor.
JOBS_AT_ONCE = 2
SENT_JOBS_AT_ONCE = 64

# What is kept of the history of one device, and when a number of it has drifted.
MAX_KEPT_CALIBRATIONS = 512
MAX_KEPT_STATES = 1_000
# Runs that a device failed, kept of each tenant, and how much of what was said of one.
MAX_KEPT_FAILURES = 200
MAX_FAILURE_CHARS = 500
DRIFT_LIMIT = 5.0
DRIFT_WINDOW = 30
OWN_SCATTER_FROM = 8
WATCH_EVERY_S = 300.0
MAX_TOLD_DRIFTS = 5
# A queue has grown when it is so many times what it was, and longer by so much: then what waits there is placed anew.
QUEUE_GROWN = 2.0
QUEUE_GROWN_S = 60.0
QUEUE_GROWN_JOBS = 10
# Couplers on one map; a larger device shows its qubits alone.
MAX_DRAWN_COUPLERS = 2_000
# Qubits whose places on a map are moved apart, and how often: each time costs the square of them.
MAX_RELAXED_QUBITS = 600
RELAXING_ROUNDS = 60

# Attempts at one write of a job while other nodes write what its tenant has left.
MAX_PURSE_CONFLICTS = 64
# Beginnings that are tried when a circuit is fitted to an emulated machine.
FIT_TRIALS = 8
# Widths of the simulators of this process; what a circuit takes is told apart from its width, before it is run.
MAX_STABILISER_QUBITS = 1_024
MAX_TENSOR_QUBITS = 128
MAX_DENSITY_QUBITS = 12
# An Ising problem for an annealer.
MAX_ISING_SPINS = 16_384
MAX_ISING_COUPLINGS = 262_144
# Of one for the annealer of this process.
MAX_LOCAL_SPINS = 4_096
# Spins whose states are all tried beside the annealer's answer, atoms likewise, and what is kept of all shots of a job.
MAX_TRIED_SPINS = 20
MAX_TRIED_ATOMS = 16
MAX_KEPT_SPINS = 4_000_000
# Atoms of an emulated machine: what is evolved exactly here.
MAX_EMULATED_ATOMS = 12
# Classical workers: how often each says how it is, when it has not for too long, and what is kept (a day).
WATCH_WORKERS_EVERY_S = 60.0
WORKER_FRESH_S = 180.0
MAX_KEPT_READINGS = 1_440
MAX_WORKERS = 4_096
# Circuits up to this width are compared with their ideal outcomes when they are treated against noise.
MAX_COMPARED_QUBITS = 12
