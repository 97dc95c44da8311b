"""Identifiers of STIX objects (section 2.9): of observables by what they are, of our own objects by their cause.

The same finding exported twice is the same object, so whoever has it already sees that nothing is new.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from phalanx.intel.sharing._kinds import CONTRIBUTING

# Fixed by the standard for observables.
_OBSERVABLES: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
# Ours: the namespace of names that this product makes.
_OWN: Final = uuid.UUID("3d6f0c5e-6a55-5b0c-8c0b-7c5a2f0d9e41")
_ID = re.compile(
    r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-?--"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
_HASHES = ("MD5", "SHA-1", "SHA-256", "SHA-512")


def is_stix_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def type_of(stix_id: str) -> str:
    return stix_id.partition("--")[0]


def own_id(kind: str, *cause: str) -> str:
    """The id of an object of ours that follows from its cause."""
    return f"{kind}--{named_uuid(_OWN, json.dumps([kind, *cause], ensure_ascii=False, separators=(',', ':')))}"


def observable_id(kind: str, properties: Mapping[str, Any]) -> str:
    """The deterministic id of an observable; of one without properties that contribute, by all it has."""
    made: dict[str, Any] = {}
    for name in CONTRIBUTING.get(kind, ()):
        value = properties.get(name)
        if value is not None:
            made[name] = _one_hash(value) if name == "hashes" and isinstance(value, dict) else value
    if not made:
        plain = {name: value for name, value in properties.items() if name not in ("id", "spec_version")}
        return own_id(kind, json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
    text = json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{kind}--{named_uuid(_OBSERVABLES, text)}"


def named_uuid(namespace: uuid.UUID, name: str) -> uuid.UUID:
    """RFC 9562 version 5: it follows from its name, and from nothing else."""
    digest = hashlib.sha1(namespace.bytes + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def _one_hash(hashes: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _HASHES:
        if name in hashes:
            return {name: hashes[name]}
    return dict(sorted(hashes.items())[:1])
