"""Errors of the room; the tree is drawn in the package's docstring."""

from phalanx.core import LimitExceeded, PhalanxError, WireError
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_BODY_BYTES


class MessagingError(PhalanxError):
    """Root of this room's own errors."""

    code = "messaging"


class Undelivered(MessagingError):
    """An envelope did not reach a recipient. Attribute: ``recipient``."""

    code = "undelivered"
    recipient: str
    text = "{0} did not get it"
    advice = ""

    def __init__(self, recipient: str) -> None:
        super().__init__(self.text.format(recipient), hint=self.advice, recipient=recipient)


class UnknownRecipient(Undelivered):
    """Nobody of that name is present, or nobody has the tag."""

    code = "unknown-recipient"
    text = "there is nobody to deliver to under {0!r}"
    advice = "see who is there with `phalanx messages members`"


class DeadlinePassed(Undelivered):
    """The envelope's time ran out before the recipient took it."""

    code = "deadline-passed"
    text = "the deadline passed before {0} took it"
    advice = "give it more time, or see why the recipient does not take its mail"


class NoCredit(Undelivered):
    """The recipient already has as many of this kind as allowed. Nothing was dropped; the sender still has it."""

    code = "no-credit"
    text = "{0} has no room for more of this kind"
    advice = "send it again later, or wait with `send`"


class Shed(Undelivered):
    """It gave way to something more important in a full mailbox."""

    code = "shed"
    text = "at {0} it gave way to something more important"
    advice = "the mailbox was full; see why its agent does not keep up"


class Unreachable(Undelivered):
    """All attempts to reach the recipient's process failed."""

    code = "unreachable"
    text = "the process of {0} could not be reached"
    advice = "it is among the dead letters; replay it when the process is back"


class Refused(MessagingError):
    """An envelope was refused for security reasons; the ledger has an entry. Attribute: ``recipient``."""

    code = "refused"
    recipient: str
    text = "{0} refuses it"

    def __init__(self, recipient: str) -> None:
        super().__init__(self.text.format(recipient), recipient=recipient)


class AudienceViolation(Refused):
    """Marking, audience or tenant do not allow the recipient, or a relay, to have it."""

    code = "audience-violation"
    text = "{0} may not have this: marking, audience or tenant forbid it"


class ForgedSender(Refused):
    """The sender is not where it says it is."""

    code = "forged-sender"
    text = "{0} refuses it: the sender is not who it says"


class Replayed(Refused):
    """It was delivered before, under another sequence number."""

    code = "replayed"
    text = "{0} refuses it: it was delivered before"


class StaleEpoch(Refused):
    """It was said in an epoch that is over."""

    code = "stale-epoch"
    text = "{0} refuses it: its epoch is over"


class EnvelopeTooLarge(LimitExceeded):
    """A body is larger than an envelope carries. Attributes: ``limit``, ``maximum``, ``seen``."""

    code = "envelope-too-large"

    def __init__(self, seen: int) -> None:
        super().__init__(
            "MAX_BODY_BYTES", maximum=MAX_BODY_BYTES, seen=seen, hint="store it, and send where it can be read"
        )


class Malformed(WireError):
    """Bytes are not an envelope or a frame. Attributes: ``kind``, ``reason``."""

    code = "malformed"

    def __init__(self, reason: str) -> None:
        super().__init__("envelope", reason)


class MailboxClosed(MessagingError):
    """The member left, or its process is closing. Attribute: ``address``."""

    code = "mailbox-closed"
    address: str

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is not on the bus any more", address=address)


_ERRORS: dict[Outcome, type[Undelivered] | type[Refused]] = {
    Outcome.UNKNOWN_RECIPIENT: UnknownRecipient,
    Outcome.DEADLINE_PASSED: DeadlinePassed,
    Outcome.AUDIENCE_VIOLATION: AudienceViolation,
    Outcome.NO_CREDIT: NoCredit,
    Outcome.SHED: Shed,
    Outcome.FORGED_SENDER: ForgedSender,
    Outcome.REPLAYED: Replayed,
    Outcome.STALE_EPOCH: StaleEpoch,
    Outcome.UNREACHABLE: Unreachable,
}


def error_of(outcome: Outcome, recipient: str) -> PhalanxError:
    """The error that tells a sender of ``outcome``."""
    if outcome is Outcome.MALFORMED:
        return Malformed(f"{recipient} could not read it")
    return _ERRORS.get(outcome, Undelivered)(recipient)
