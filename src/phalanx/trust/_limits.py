"""The bounds of this room, in one place."""

# Secrets of 256 bits: guessing one is hopeless, so no counter of failures is kept.
SECRET_BYTES = 32
# Tokens of one tenant that are kept, revoked and expired ones included.
MAX_TOKENS = 1_000
# A hundred years: what nobody wants to end has no life at all.
MAX_LIFETIME_S = 100 * 365 * 86_400
# Characters of a presented secret that are looked at.
MAX_SECRET_CHARS = 256
# A login code is shown on a terminal and used at once.
LOGIN_CODE_LIFETIME_S = 300
MAX_LOGIN_CODES = 1_000
# A working day; the dashboard asks for a new code afterwards.
SESSION_LIFETIME_S = 12 * 3_600
MAX_SESSIONS = 10_000
