"""Kinds of envelope, and the words that policies are made of."""

from enum import IntEnum


class Kind(IntEnum):
    """What an envelope is for. Its number is what stands on the wire; never reuse one."""

    ALERT = 0
    CONSENSUS = 1
    REPLY = 2
    COORDINATION = 3
    INTELLIGENCE = 4
    DISCOVERY = 5
    ACKNOWLEDGEMENT = 6
    HEARTBEAT = 7


class Guarantee(IntEnum):
    """What has happened when ``send`` returns. Each includes the ones before it."""

    NONE = 0  # it was handed on; it may be lost
    DELIVERED = 1  # it lies in the recipient's mailbox
    TAKEN = 2  # the recipient took it out
    DURABLE = 3  # taken; and on its way between processes the sender's journal held it


class Recipients(IntEnum):
    """Who gets an envelope of a kind."""

    EVERYONE = 0  # everybody it may be read by, at once
    RELEVANT = 1  # those addressed by name or by tag
    AUTHORISED = 2  # of those, whoever the marking and the audience allow
    PARTICIPANTS = 3  # all participants of one instance
    ONE = 4  # the one it answers


class Outcome(IntEnum):
    """How an envelope ended at one recipient. Its number is what stands on the wire."""

    TAKEN = 0
    UNKNOWN_RECIPIENT = 1
    DEADLINE_PASSED = 2
    AUDIENCE_VIOLATION = 3
    NO_CREDIT = 4
    SHED = 5
    FORGED_SENDER = 6
    REPLAYED = 7
    STALE_EPOCH = 8
    MALFORMED = 9
    UNREACHABLE = 10
    DELIVERED = 11


def outcome_of(number: int) -> Outcome:
    """What another process means; a number that we do not know is a refusal that we cannot explain."""
    try:
        return Outcome(number)
    except ValueError:
        return Outcome.MALFORMED
