"""How durable values become bytes and come back.

Every durable value is a ``Record``: a frozen struct that names its kind, its version, the
tenant it belongs to and the trace it is part of. MessagePack on disk and between nodes, JSON
outside. What happens to bytes that do not fit is decided here, once:

- an older version is brought up to date by the upgrades its type declares;
- a newer version is refused (``FutureVersion``), because dropping what we do not know and
  writing the rest back would lose it: readers are upgraded before writers;
- an unknown field in a known version is refused (``UnknownField``): it is damage or a typo.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from phalanx.core._errors import FutureVersion, UnknownField, WireError
from phalanx.core._ids import TenantId, TraceId

R = TypeVar("R", bound="Record")

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Base of every durable value. ``at_ns`` is wall time; ``trace`` ties it to its event."""

    VERSION: ClassVar[int] = 1
    UPGRADES: ClassVar[Mapping[int, Upgrade]] = {}

    id: str
    tenant: TenantId
    trace: TraceId
    at_ns: int
    v: int = 0

    def __post_init__(self) -> None:
        if self.v == 0:
            msgspec.structs.force_setattr(self, "v", type(self).VERSION)


class _Header(msgspec.Struct):
    kind: str
    v: int


_to_msgpack = msgspec.msgpack.Encoder(order="deterministic")
_to_json = msgspec.json.Encoder(order="deterministic")
_header_msgpack = msgspec.msgpack.Decoder(_Header)
_header_json = msgspec.json.Decoder(_Header)
_decoders: dict[tuple[type, bool], Any] = {}


def encode(record: Record) -> bytes:
    """MessagePack, fields in declared order and mappings sorted: equal records give equal bytes."""
    return _to_msgpack.encode(record)


def encode_json(record: Any) -> bytes:
    """JSON in the same order, for people and for the API."""
    return _to_json.encode(record)


def decode(data: bytes, kind: type[R]) -> R:
    return _decode(data, kind, json=False)


def decode_json(data: bytes, kind: type[R]) -> R:
    return _decode(data, kind, json=True)


def kind_name(kind: type[Record]) -> str:
    """The name a record type carries on the wire."""
    return str(kind.__struct_config__.tag)


def _decode(data: bytes, kind: type[R], *, json: bool) -> R:
    name = kind_name(kind)
    try:
        header = (_header_json if json else _header_msgpack).decode(data)
        if header.kind != name:
            raise WireError(name, f"it is a {header.kind}")
        if header.v > kind.VERSION:
            raise FutureVersion(name, seen=header.v, known=kind.VERSION)
        if header.v < kind.VERSION:
            return _upgraded(data, kind, header.v, json=json)
        return _decoder(kind, json=json).decode(data)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise _explained(name, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(name, str(error)) from error
    except RecursionError as error:
        raise WireError(name, "it is nested too deeply") from error


def _decoder(kind: type[Record], *, json: bool) -> Any:
    found = _decoders.get((kind, json))
    if found is None:
        module = msgspec.json if json else msgspec.msgpack
        found = _decoders[kind, json] = module.Decoder(kind)
    return found


def _upgraded(data: bytes, kind: type[R], version: int, *, json: bool) -> R:
    fields: dict[str, Any] = (msgspec.json if json else msgspec.msgpack).decode(data)
    for step in range(version, kind.VERSION):
        upgrade = kind.UPGRADES.get(step)
        if upgrade is None:
            raise WireError(kind_name(kind), f"version {step} has no upgrade to {step + 1}")
        fields = upgrade(fields) | {"v": step + 1}
    return msgspec.convert(fields, kind)


def _explained(name: str, error: msgspec.ValidationError) -> WireError:
    text = str(error)
    return UnknownField(name, text) if "unknown field" in text else WireError(name, text)
