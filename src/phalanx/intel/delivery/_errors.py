"""Errors of delivering and drawing."""

from typing import ClassVar

from phalanx.core import PhalanxError


class Unsendable(PhalanxError):
    """An item cannot be expressed in a form the peer accepts. Attributes: ``item``, ``reason``."""

    code: ClassVar[str] = "unsendable"
    item: str
    reason: str

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item} cannot be sent: {reason}", item=item, reason=reason)


class PositionGone(PhalanxError):
    """A source no longer has what was at a position. Attributes: ``source``, ``reason``, ``go_on``.

    ``go_on`` is the position where what it has begins; empty: where it begins when nobody says anything else.
    """

    code: ClassVar[str] = "position-gone"
    source: str
    reason: str
    go_on: str

    def __init__(self, source: str, reason: str, *, go_on: str = "") -> None:
        super().__init__(
            f"what {source} had there is gone: {reason}",
            hint="reading continues with what is left; what is gone is counted as a gap",
            source=source,
            reason=reason,
            go_on=go_on,
        )
