"""What happens to bytes that are, or are not, the record they should be."""

import json
from typing import ClassVar

import msgspec
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    Decision,
    FutureVersion,
    Outcome,
    Record,
    UnknownField,
    Waypoint,
    WireError,
    decode,
    decode_json,
    encode,
    encode_json,
    kind_name,
)

HEAD = {"id": "i", "tenant": DEFAULT_TENANT, "trace": NO_TRACE, "at_ns": 5}
DECISION = Decision(
    **HEAD, about="p", outcome=Outcome.APPROVED, authority="policy", reasons=("fits",), context_hash="ab"
)


class Sensor(Record, frozen=True, kw_only=True, tag="sensor"):
    """A kind that has been through three versions."""

    VERSION: ClassVar[int] = 3
    UPGRADES: ClassVar = {
        1: lambda fields: {key: value for key, value in fields.items() if key != "host"} | {"hosts": [fields["host"]]},
        2: lambda fields: fields | {"unit": "celsius"},
    }

    hosts: tuple[str, ...]
    unit: str
    raw: bytes = b""


FORMS = [
    pytest.param(encode, decode, msgspec.msgpack.encode, id="msgpack"),
    pytest.param(encode_json, decode_json, msgspec.json.encode, id="json"),
]


forms = pytest.mark.parametrize(("write", "read", "forge"), FORMS)


def fields(record):
    return msgspec.to_builtins(record)


@forms
def test_a_record_comes_back(write, read, forge):
    assert read(write(DECISION), Decision) == DECISION
    sensor = Sensor(**HEAD, hosts=("a",), unit="kelvin", raw=b"\x00\xff")
    assert read(write(sensor), Sensor) == sensor


@forms
def test_a_record_names_its_kind_and_version(write, read, forge):
    plain = json.loads(encode_json(DECISION))
    assert (plain["kind"], plain["v"]) == ("decision", 1) == (kind_name(Decision), DECISION.v)
    assert json.loads(encode_json(Sensor(**HEAD, hosts=(), unit="")))["v"] == 3


@forms
def test_equal_records_give_equal_bytes(write, read, forge):
    def waypoint(detail):
        return Waypoint(**HEAD, room="intel", stage="finding", subject="f", summary="s", detail=detail)

    one, other = {"hits": 1, "a": 2}, {"a": 2, "hits": 1}
    assert list(one) != list(other)
    assert write(waypoint(one)) == write(waypoint(other))


@forms
def test_an_unknown_field_is_refused_by_name(write, read, forge):
    with pytest.raises(UnknownField, match="colour") as caught:
        read(forge(fields(DECISION) | {"colour": "red"}), Decision)
    assert caught.value.kind == "decision"


@forms
def test_a_newer_version_is_refused_even_with_unknown_fields(write, read, forge):
    with pytest.raises(FutureVersion) as caught:
        read(forge(fields(DECISION) | {"v": 2, "colour": "red"}), Decision)
    assert (caught.value.seen, caught.value.known) == (2, 1)


@forms
def test_another_kind_is_refused_even_from_the_future(write, read, forge):
    with pytest.raises(WireError, match="it is a decision"):
        read(write(DECISION), Waypoint)
    with pytest.raises(WireError, match="it is a poem"):
        read(forge({"kind": "poem", "v": 99}), Decision)


@forms
@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_is_brought_up_to_date(write, read, forge, version):
    old = {1: {"host": "a"}, 2: {"hosts": ["a"]}}[version]
    read_back = read(forge({"kind": "sensor", "v": version, **HEAD, **old}), Sensor)
    assert read_back == Sensor(**HEAD, hosts=("a",), unit="celsius")
    assert read_back.v == 3


@forms
def test_an_old_version_is_judged_as_strictly_as_a_new_one(write, read, forge):
    with pytest.raises(UnknownField, match="colour"):
        read(forge({"kind": "sensor", "v": 2, **HEAD, "hosts": ["a"], "colour": "red"}), Sensor)
    with pytest.raises(WireError, match="tenant"):
        read(forge({"kind": "sensor", "v": 2, "id": "i", "trace": "", "at_ns": 5, "hosts": []}), Sensor)


@forms
@pytest.mark.parametrize("version", [0, -1])
def test_a_version_without_an_upgrade_is_refused(write, read, forge, version):
    with pytest.raises(WireError, match=f"version {version} has no upgrade"):
        read(forge(fields(DECISION) | {"v": version}), Decision)


@forms
@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"outcome": "maybe"}, "outcome"),
        ({"reasons": "fits"}, "reasons"),
        ({"at_ns": "now"}, "at_ns"),
        ({"at_ns": 1.5}, "at_ns"),
        ({"v": "1"}, "v"),
        ({"about": None}, "about"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(write, read, forge, change, names):
    with pytest.raises(WireError, match=rf"\$\.{names}"):
        read(forge(fields(DECISION) | change), Decision)


@forms
@pytest.mark.parametrize("missing", ["kind", "v", "id", "about"])
def test_a_missing_field_is_refused_by_name(write, read, forge, missing):
    kept = {name: value for name, value in fields(DECISION).items() if name != missing}
    with pytest.raises(WireError, match=missing):
        read(forge(kept), Decision)


@forms
def test_bytes_that_are_nothing_are_refused(write, read, forge):
    whole = write(DECISION)
    for data in (b"", whole[:-1], whole[1:], b"\xc1", b"null", b"[]", b"\xff" * 40, whole + b"{"):
        with pytest.raises(WireError):
            read(data, Decision)


@forms
def test_text_that_is_not_utf_8_is_refused(write, read, forge):
    with pytest.raises(WireError):
        read(write(DECISION).replace(b"policy", b"pol\xffcy"), Decision)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (decode_json, b'{"kind":"decision","v":1,"x":' + b"[" * 100_000),
        (decode, b"\x83\xa4kind\xa8decision\xa1v\x01\xa1x" + b"\x91" * 100_000),
    ],
)
def test_deep_nesting_is_refused(read, data):
    with pytest.raises(WireError):
        read(data, Decision)


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        DECISION.about = "other"
