"""What this room raises of its own."""

from phalanx.core import PhalanxError


class OutOfDate(PhalanxError):
    """Somebody changed an incident after it was seen as it was seen. Attributes: ``incident``, ``what``."""

    code = "out-of-date"
    incident: str
    what: str

    def __init__(self, incident: str, what: str) -> None:
        super().__init__(
            f"incident {incident} is not as you saw it: {what}",
            hint="look at it again, and say it then if it still holds",
            incident=incident,
            what=what,
        )
