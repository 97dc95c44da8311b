"""What an inventory lists, as values."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import msgspec

from phalanx.core import Record, Table

INVENTORIES = Table("inventories", sealed=True)
NEWEST = "newest"  # the key of the inventory in force

Form = Literal["certificate", "private-key", "public-key", "protocol", "source"]


class Use(Enum):
    """What a key is for. What is agreed on or encrypted today can be kept and read later; a signature cannot."""

    SIGNATURE = "signature"
    KEY_ESTABLISHMENT = "key establishment"
    BOTH = "signature and key establishment"
    ENCRYPTION = "encryption"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Asset:
    """A certificate, a key, an endpoint or a place in source code, and where it was found.

    ``algorithm`` is its key's family as a standard names it, ``size`` its bits or the name of its curve or
    parameter set. ``until_ns`` is when a certificate ends; 0 for what does not. ``line`` is the one in a source file.
    """

    form: Form
    name: str
    where: str
    algorithm: str
    size: str
    use: Use
    signed_with: str = ""
    issuer: str = ""
    not_before_ns: int = 0
    until_ns: int = 0
    digest: str = ""
    line: int = 0


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a quantum computer means for an asset.

    ``strength_bits`` is classical (SP 800-57); ``level`` NIST's category against a quantum computer, 0 for none.
    ``until`` is the year after which it must not be used any more by the draft of NIST IR 8547, ``deprecated``
    the one from which it should not; 0 for neither. ``resources`` is what breaking it would take; ``weak`` says what an
    ordinary computer does to it already.
    """

    vulnerable: bool
    strength_bits: int
    level: int
    deprecated: int
    until: int
    harvest_now: bool
    replacement: str
    resources: str
    weak: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An asset as an inventory lists it."""

    form: str
    name: str
    where: str
    algorithm: str
    size: str
    use: str
    until_ns: int
    line: int = 0
    judgement: Judgement


class Inventory(Record, frozen=True, kw_only=True, tag="inventory"):
    """What a node found when it last took stock; the most urgent first."""

    files: int
    assets: tuple[Listed, ...]
    vulnerable: int
    digest: str
