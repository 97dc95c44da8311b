"""Bounds of the adapters, in one place."""

from phalanx.core import GIB, MAX_CHUNK_BYTES, MIB

# Keys and index values: what one PostgreSQL index entry holds with room to spare.
MAX_KEY_BYTES = 512
MAX_INDEX_VALUE_BYTES = 1_024
# One row's value, and one commit altogether.
MAX_VALUE_BYTES = 16 * MIB
MAX_COMMIT_WRITES = 20_000
# Concurrent commits that share one transaction, a commit counting as its writes and this many
# more; a bigger group only makes its members wait.
MAX_GROUP_WEIGHT = 4_096
COMMIT_WEIGHT = 16
MAX_WAITING_WEIGHT = 1_000_000
# Store requests waiting for their thread or connection; past it, callers are turned away.
MAX_WAITING_REQUESTS = 10_000
# Queries one batch answers before the event loop hears of any.
MAX_READ_BATCH = 64

# One record of a journal, and all records of one append.
MAX_RECORD_BYTES = MAX_CHUNK_BYTES
MAX_APPEND_BYTES = 64 * MIB
# Concurrent appends that share one write: no more are added once it is this long.
GROUP_BYTES = 4 * MIB
# Appends waiting for the write under way; past it, callers are turned away.
MAX_WAITING_BYTES = 256 * MIB
SEGMENT_BYTES = 64 * MIB
# How much of a segment is read at once, and how far apart the remembered positions lie.
READ_BYTES = 256 * 1024
INDEX_STEP_BYTES = 64 * 1024
# Framing more than this takes over a millisecond and leaves the event loop.
INLINE_BYTES = MIB

FILE_WORKERS = 4
# A passphrase or a PIN, as it is read from a file or a descriptor.
MAX_SECRET_BYTES = 4_096
# A file of calibrations; that of 68 machines has a tenth of a MiB.
MAX_SNAPSHOT_FILE_BYTES = 64 * MIB
# A key server's answer, how long one may take, how often it is asked and how long between.
MAX_TRANSIT_ANSWER_BYTES = 64 * 1024
TRANSIT_TIMEOUT_S = 10.0
TRANSIT_ATTEMPTS = 5
TRANSIT_PAUSE_S = 0.25
TRANSIT_PAUSE_MAX_S = 10.0
# Work that may queue behind the busy threads of a pool.
MAX_WAITING_WORK = 1_000
# How long calls of a pool take is remembered over so many.
TIMES_REMEMBERED = 20

POSTGRES_CONNECTIONS = 5
# How long a call waits for a server that went away, and how soon it looks again.
RECONNECT_WITHIN_S = 30.0
# A statement that takes longer is taken for a connection that is dead without saying so.
COMMAND_WITHIN_S = 30.0
RECONNECT_PAUSE_S = 0.05
RECONNECT_PAUSE_MAX_S = 1.0
# Records one statement drops when a journal is trimmed.
TRIM_ROWS = 5_000

# Calls to other nodes under way at once, and how many may wait for a thread behind them.
CALL_WORKERS = 4
MAX_WAITING_CALLS = 256
# A TLS handshake takes a few round trips; who has not finished by then is not going to.
TLS_HANDSHAKE_S = 10.0
# What an SSH server says before any key is agreed on, and lines before the one with its version.
MAX_SSH_HELLO_BYTES = 64 * 1024
MAX_SSH_LINES = 64
# After our goodbye, how long the other end's is waited for.
TLS_GOODBYE_S = 2.0
# Handshakes in progress at once, each about 100 KB; beyond it the oldest gives way.
MAX_TLS_HANDSHAKES = 512
# Browsers refuse certificates that live longer than this.
SELF_SIGNED_DAYS = 825
SELF_SIGNED_RENEW_DAYS = 30

# A device that has nothing to give is asked again after a wait, for at most this long.
NOISE_READ_S = 4.0
NOISE_WAIT_S = 0.01

# The exact solver of balancing: pairs of operation and resource it is given at most, and what it may take to stop.
MAX_EXACT_PAIRS = 20_000
EXACT_GRACE_S = 30.0

# A NATS connection: how long making one may take, and closing one on which nobody answers.
NATS_CONNECT_S = 10.0
NATS_CLOSE_S = 1.0
# A connection on which so many questions stay without an answer is over, however open it looks.
NATS_PING_S = 2
NATS_SILENT_PINGS = 3
# How soon the next attempt is made, and the longest pause between two; each is drawn from the upper half.
NATS_PAUSE_S = 0.05
NATS_PAUSE_MAX_S = 2.0
# What nats-py holds before it waits for the socket.
NATS_PENDING_BYTES = 2 * MIB
# One datagram: the server's own default. Datagrams that wait to be sent, and that arrived and nobody took yet;
# beyond it the oldest waiting and the newest arrived are dropped and counted.
MAX_NATS_DATAGRAM_BYTES = MIB
MAX_NATS_WAITING = 10_000
MAX_NATS_WAITING_BYTES = 64 * MIB
# A place's name in the form of subjects, two of which make a line of the protocol; and how many stay remembered.
MAX_NATS_ADDRESS_CHARS = 512
MAX_NATS_SUBJECTS = 8_192
# Our own server: what it holds for a connection that does not read, and how long it waits for it to; the longest
# line of its protocol and of its log; how long it may take to come up and to stop, and the pauses between starts.
MAX_NATS_PENDING_BYTES = 64 * MIB
NATS_WRITE_DEADLINE_S = 10
MAX_NATS_CONTROL_LINE = 4_096
MAX_NATS_LOG_LINE_BYTES = 64 * 1024
NATS_SERVER_READY_S = 60.0
NATS_SERVER_STOP_S = 10.0
NATS_SERVER_PAUSE_S = 0.1
NATS_SERVER_PAUSE_MAX_S = 5.0

# One blob. Who writes it has a bound of its own, this one keeps a mistake from filling the disk.
MAX_BLOB_BYTES = 64 * GIB
# Connections that wait to be taken by a listener, and what one of them may send ahead of being read.
LISTEN_BACKLOG = 64
LISTEN_BUFFER_BYTES = 64 * 1024
# How far into a watched file its digest reaches; size and time of change tell of the rest.
WATCHED_DIGEST_BYTES = 4 * MIB

# Compiling every kernel takes half a minute of a processor, many times that on a busy machine.
COMPILE_WITHIN_S = 1_800.0
# Keys that our own server lets in.
MAX_NATS_USERS = 1_024
# The queue of a server of ours: on disk, and in memory.
MAX_NATS_QUEUE_BYTES = 1024 * MIB
MAX_NATS_QUEUE_MEMORY_BYTES = 64 * MIB
# Tickets in it, results in it (in bytes), and how long a result stays that nobody came back for.
MAX_NATS_TICKETS = 100_000
MAX_NATS_RESULT_BYTES = 512 * MIB
NATS_RESULTS_S = 3_600.0

# A sink or a source over HTTP: one request, and calls that wait for the one under way.
CONNECTOR_TIMEOUT_S = 30.0
MAX_CONNECTOR_CALLS = 16
# Tokens are asked for anew so long before they end, and never kept for longer than this.
TOKEN_MARGIN_S = 120.0
TOKEN_LONGEST_S = 3_600.0
# Asking indexers whether they have what the collector took: the first pause, the longest, and when it is given up.
HEC_ACK_FIRST_S = 0.05
HEC_ACK_PAUSE_S = 2.0
HEC_ACK_WITHIN_S = 60.0
# Waiting until the peer's machine has confirmed what was written to it.
SYSLOG_CONFIRM_S = 15.0
SYSLOG_LOOK_S = 0.0005
KAFKA_FLUSH_S = 30.0
NATS_PUBLISH_S = 10.0
MAX_TAIL_LINE_BYTES = 256 * 1024

# Listening for syslog: what waits to be drawn, what is held of messages that are not whole on all connections together,
# connections at once and of one peer, and lines drawn at once.
LISTEN_WAITING_BYTES = MIB
LISTEN_HELD_BYTES = 16 * MIB
LISTEN_MAX_OPEN = 256
LISTEN_MAX_PER_PEER = 64
LISTEN_DRAWN_LINES = 5_000
# One message may take so long to come, a connection may be silent, and a peer may take so long to agree on TLS.
LISTEN_MESSAGE_S = 30.0
LISTEN_SILENT_S = 3_600.0
LISTEN_HANDSHAKE_S = 10.0
# Lines that come within this share a draw.
LISTEN_LINGER_S = 0.05
# Datagrams taken in one go, the largest there is, and what the kernel is asked to hold of them.
DATAGRAMS_AT_ONCE = 64
MAX_DATAGRAM_BYTES = 65_535
DATAGRAM_KERNEL_BYTES = 4 * MIB

# Jobs at a vendor whose objects are kept, so that asking again takes no look-up.
MAX_REMEMBERED_JOBS = 1_000

# A vendor of quantum machines: one question, its answer, how often it is asked again and the longest pause between.
VENDOR_TIMEOUT_S = 30.0
MAX_VENDOR_ANSWER_BYTES = 64 * MIB
MAX_VENDOR_ASKS = 6
VENDOR_PAUSE_MOST_S = 60.0
# Jobs of which a vendor did not say whether it took them, and which are not sent again.
MAX_UNSURE_JOBS = 1_000
# For how long a vendor that has a job of ours may be away before the job is given up there.
VENDOR_AWAY_MOST_S = 3_600.0
# Pages of a vendor's list that are looked through for a job of ours.
MAX_VENDOR_PAGES = 10
# Graphics processors of one machine, and how long the command that lists them may take.
MAX_GPUS = 64
NVIDIA_SMI_S = 5.0

# Tasks that a resource offered through QRMI remembers, and the longest compilation of a program in Q#.
MAX_OFFERED_TASKS = 1_000
QSHARP_WITHIN_S = 60.0
# Schedulers of a site: how often one is asked again, how long is waited in between, and how much it may answer.
# Batch jobs of this machine that wait or run, and what is kept of what one says of errors.
MAX_LOCAL_BATCHES = 256
BATCH_TAIL_BYTES = 2_048
BATCH_RETRIES = 6
BATCH_WAIT_S = 0.5
MAX_BATCH_WAIT_S = 30.0
BATCH_ANSWER_S = 20.0
MAX_BATCH_ANSWER_BYTES = 64 * MIB

# Backups: how much is copied at once, what stays free on the disk, files and folders within each other at most; how
# often what came meanwhile is copied before everybody waits, and for how few files they do; how long a commit is waited
# for; pages of rows copied at once, and the longest list of a backup.
COPY_BYTES = 4 * MIB
COPY_SPARE_BYTES = 64 * MIB
MAX_BACKUP_FILES = 5_000_000
MAX_BACKUP_DEPTH = 8
MAX_BACKUP_ROUNDS = 8
FEW_BACKUP_FILES = 64
BACKUP_WAITS_S = 30.0
BACKUP_PAGES = 1_024
MAX_MANIFEST_BYTES = 1_024 * MIB
