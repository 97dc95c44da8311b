"""What witnessing raises, under the room's root."""

from enum import Enum

from phalanx.ledger._errors import LedgerError


class Refusal(Enum):
    """Why a witness does not cosign; the value is the status that tlog-witness gives it."""

    MALFORMED = 400
    NOT_SIGNED = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    NOT_CONSISTENT = 422


class WitnessRefused(LedgerError):
    """A witness does not cosign. Attributes: ``refusal``, ``reason``, ``size`` (what it cosigned last)."""

    code = "witness-refused"
    refusal: Refusal
    reason: str
    size: int

    def __init__(self, refusal: Refusal, reason: str, *, size: int = 0) -> None:
        super().__init__(f"the witness does not cosign: {reason}", refusal=refusal, reason=reason, size=size)


class TimestampRefused(LedgerError):
    """There is no timestamp, or it is not a timestamp of what was sent. Attribute: ``reason``."""

    code = "timestamp-refused"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"no valid timestamp: {reason}", reason=reason)
