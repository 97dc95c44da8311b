"""What a name in a question stands for: fields as sources call them, things that events name, attributes of OCSF.

A name stands for every field of that name, whatever the case of its letters, and besides for what the tables say.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final, NamedTuple

from phalanx.intel._subjects import ENTITY_FIELDS, HOST_FIELDS
from phalanx.intel.reading import ocsf_sources


class How(Enum):
    """How a value in a question is compared with one of an event."""

    WHOLE = "whole"
    # Or what stands before its first dot.
    HOST = "host"
    # Or what stands behind its last \, / or before an @.
    USER = "user"
    # Or the last part of a path.
    PATH = "path"
    # Words anywhere in it.
    WORDS = "words"


class Meant(NamedTuple):
    """Fields, in lower case, whose values are compared so; only of a ``service`` and an event ``code`` unless empty."""

    fields: frozenset[str]
    how: How
    service: str = ""
    code: str = ""


# Names that stand for the log source and the format that an event was read as.
LOG_SOURCE: Final = "log_source"
READER: Final = "reader"

_KINDS: Mapping[str, tuple[str, How]] = {
    "user": ("user", How.USER),
    "process": ("process", How.PATH),
    "ip": ("ip", How.WHOLE),
    "address": ("ip", How.WHOLE),
    "file": ("file", How.PATH),
    "domain": ("domain", How.WHOLE),
}
# Names that stand for fields of many sources.
COMMON: Final = ("host", "hash", *_KINDS)
_HASH_FIELDS = frozenset(
    (
        "hashes", "hash", "imphash", "md5", "sha1", "sha256", "sha512", "process.hash.md5", "process.hash.sha1",
        "process.hash.sha256", "file.hash.md5", "file.hash.sha1", "file.hash.sha256", "filehash", "ja3", "ja3s",
    )
)  # fmt: skip


@cache
def _of_kind(kind: str) -> frozenset[str]:
    if kind == "host":
        return frozenset(field.lower() for fields in HOST_FIELDS.values() for field in fields)
    return frozenset(
        field.lower() for fields in ENTITY_FIELDS.values() for field, named in fields.items() if named == kind
    )


def meant(name: str) -> list[Meant]:
    """What ``name`` stands for."""
    low = name.lower()
    if low == "host":
        return [Meant(_of_kind("host") | {low}, How.HOST)]
    if low == "hash":
        return [Meant(_HASH_FIELDS, How.WORDS)]
    if low in _KINDS:
        kind, how = _KINDS[low]
        return [Meant(_of_kind(kind) | {low}, how)]
    return [
        Meant(frozenset((low,)), How.WHOLE),
        *(
            Meant(frozenset((one.field.lower(),)), How.PATH if one.last_part else How.WHOLE, one.service, one.code)
            for one in ocsf_sources(low)
            if one.field.lower() != low
        ),
    ]
