"""STIX 2.1 bundles: bytes in, objects out, and back without losing anything.

An object is kept as it came: properties that nobody here knows, extensions and custom types go out again as they
came in. What is checked is what the standard requires of everybody (OASIS STIX 2.1, sections 3 to 7); 2.0 is
brought up to date first. One object that does not hold is refused with its reason; the others are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.sharing._checking import check_object
from phalanx.intel.sharing._errors import InvalidObject
from phalanx.intel.sharing._ids import own_id
from phalanx.intel.sharing._limits import MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_OBJECT_BYTES, MAX_OBJECTS, MAX_REJECTED
from phalanx.intel.sharing._upgrading import is_older, upgraded

_encoder = msgspec.json.Encoder()
_sorted_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class StixObject:
    """One object that holds. ``raw`` is everything it says; treat it as unchangeable."""

    raw: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def type(self) -> str:
        return str(self.raw["type"])

    @property
    def version(self) -> str:
        """What tells versions of one object apart: when it was modified, or made; empty for an observable."""
        return str(self.raw.get("modified") or self.raw.get("created") or "")

    @property
    def markings(self) -> tuple[str, ...]:
        """The marking definitions that apply to it, or to a part of it."""
        whole = self.raw.get("object_marking_refs", ())
        parts = [one.get("marking_ref", "") for one in self.raw.get("granular_markings", ())]
        return tuple(dict.fromkeys([*whole, *filter(None, parts)]))

    def encoded(self) -> bytes:
        return _encoder.encode(self.raw)

    def digest_bytes(self) -> bytes:
        """The same bytes for the same content, whatever order its properties came in."""
        return _sorted_encoder.encode(self.raw)


@dataclass(frozen=True, slots=True)
class BundleRead:
    """What was in a document. ``rejected`` are errors of objects that do not hold; ``upgraded`` were STIX 2.0."""

    id: str
    objects: tuple[StixObject, ...]
    rejected: tuple[InvalidObject, ...] = ()
    upgraded: int = 0

    def require_all(self) -> "BundleRead":
        """Raises the first refusal, when there is one."""
        if self.rejected:
            raise self.rejected[0]
        return self


def read_bundle(data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> BundleRead:
    """Read a bundle, a TAXII envelope, a list of objects or one object.

    Raises ``InvalidInput`` for what is no such document at all and ``LimitExceeded``; an object that does not
    hold is among ``rejected``.
    """
    document = parse_json(data, max_bytes=max_bytes)
    bundle_id, found, older = _objects_of(document)
    if len(found) > MAX_OBJECTS:
        raise LimitExceeded("objects of a document", maximum=MAX_OBJECTS, seen=len(found))
    objects: list[StixObject] = []
    rejected: list[InvalidObject] = []
    n_upgraded = 0
    for place, one in enumerate(found):
        try:
            old = isinstance(one, dict) and (older or is_older(one))
            made = upgraded(one, where=f"objects[{place}]") if old else [one]
            objects += [checked(each, where=f"objects[{place}]") for each in made]
            n_upgraded += old
        except InvalidObject as error:
            rejected.append(error)
            if len(rejected) >= MAX_REJECTED:
                raise LimitExceeded(
                    "refused objects of a document", maximum=MAX_REJECTED, seen=len(rejected)
                ) from error
    return BundleRead(bundle_id, tuple(_distinct(objects)), tuple(rejected), n_upgraded)


def checked(raw: object, *, where: str) -> StixObject:
    """The object, when it holds. Raises ``InvalidObject``."""
    if not isinstance(raw, dict):
        raise InvalidObject(where, "", "is not a JSON object")
    if _deeper_than(raw, MAX_DEPTH):
        raise InvalidObject(str(raw.get("id", where))[:200], "", f"is nested deeper than {MAX_DEPTH}")
    check_object(raw, where=where)
    return StixObject(raw)


def write_bundle(objects: Iterable[StixObject], *, indent: bool = False) -> bytes:
    """A bundle of the objects. Its id follows from them: the same objects are the same bundle."""
    listed = list(objects)
    bundle_id = own_id("bundle", *(f"{one.id} {one.version}" for one in listed))
    document: dict[str, Any] = {"type": "bundle", "id": bundle_id}
    if listed:
        document["objects"] = [one.raw for one in listed]
    encoded = _encoder.encode(document)
    return msgspec.json.format(encoded, indent=2) + b"\n" if indent else encoded


def parse_json(data: bytes, *, max_bytes: int) -> Any:
    """JSON within bounds. Raises ``InvalidInput`` and ``LimitExceeded``."""
    if len(data) > max_bytes:
        raise LimitExceeded("bytes of a document", maximum=max_bytes, seen=len(data))
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("document", f"is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidInput("document", "is nested too deeply") from error


def too_large(one: StixObject) -> bool:
    """Whether an object is more than what one row keeps."""
    return len(one.encoded()) > MAX_OBJECT_BYTES


def _objects_of(document: object) -> tuple[str, Sequence[Any], bool]:
    """The id, the objects, and whether the document says of itself that it is STIX 2.0."""
    if isinstance(document, list):
        return "", document, False
    if not isinstance(document, dict):
        raise InvalidInput("document", "is neither a bundle nor a list of objects")
    kind = document.get("type")
    if kind != "bundle" and not (kind is None and "objects" in document) and document != {}:
        return "", [document], False
    objects = document.get("objects", [])
    if not isinstance(objects, list):
        raise InvalidInput("document.objects", "is not a list")
    bundle_id = document.get("id", "")
    if kind == "bundle" and not (isinstance(bundle_id, str) and bundle_id.startswith("bundle--")):
        raise InvalidInput("document.id", "a bundle's id begins with `bundle--`")
    return str(bundle_id), objects, document.get("spec_version") == "2.0"


def _distinct(objects: Iterable[StixObject]) -> list[StixObject]:
    """Without those that came twice: the first of each version."""
    return list({(one.id, one.version): one for one in reversed(list(objects))}.values())[::-1]


def _deeper_than(value: object, left: int) -> bool:
    if isinstance(value, dict):
        return left == 0 or any(_deeper_than(one, left - 1) for one in value.values() if isinstance(one, dict | list))
    if isinstance(value, list):
        return left == 0 or any(_deeper_than(one, left - 1) for one in value if isinstance(one, dict | list))
    return False
