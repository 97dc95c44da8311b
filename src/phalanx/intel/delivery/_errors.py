"""Errors of delivering and drawing."""

from typing import ClassVar

from phalanx.core import PhalanxError


class Unsendable(PhalanxError):
    """An item has no form that the peer takes. Attributes: ``item``, ``reason``."""

    code: ClassVar[str] = "unsendable"
    item: str
    reason: str

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item} cannot be sent: {reason}", item=item, reason=reason)


class PositionGone(PhalanxError):
    """A source does not have any more what stood at a position. Attributes: ``source``, ``reason``, ``go_on``.

    ``go_on`` is the position where what it has begins; empty: where it begins when nobody says anything else.
    """

    code: ClassVar[str] = "position-gone"
    source: str
    reason: str
    go_on: str

    def __init__(self, source: str, reason: str, *, go_on: str = "") -> None:
        super().__init__(
            f"what {source} had there is gone: {reason}",
            hint="what is left is read on; what is gone is counted as a gap",
            source=source,
            reason=reason,
            go_on=go_on,
        )
