"""What verifying evidence raises, under the room's root."""

from enum import Enum

from phalanx.ledger._errors import LedgerError


class Link(Enum):
    """What can break between an entry and the keys and clocks outside, in the order in which it is checked."""

    DOCUMENT = "document"
    KEY = "key"
    CHECKPOINT = "checkpoint"
    COSIGNATURE = "cosignature"
    CONSISTENCY = "consistency"
    TIMESTAMP = "timestamp"
    ANCHOR = "anchor"
    LEAF = "leaf"
    PATH = "path"
    COMMITMENT = "commitment"
    TIMELINE = "timeline"


class BrokenLink(LedgerError):
    """Evidence does not verify. Attributes: ``link``, ``where`` (which entry, checkpoint or witness), ``reason``."""

    code = "broken-link"
    link: Link
    where: str
    reason: str

    def __init__(self, link: Link, where: str, reason: str) -> None:
        super().__init__(
            f"the evidence breaks at the {link.value} of {where}: {reason}",
            hint="what comes before it was checked and holds; get the file again from whoever exported it",
            link=link,
            where=where,
            reason=reason,
        )
