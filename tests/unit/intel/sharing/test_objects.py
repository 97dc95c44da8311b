"""STIX bundles in and out, held to the published schemas and to the `stix2` library."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.sharing import InvalidObject, StixObject, checked, observable_id, read_bundle, write_bundle
from phalanx.intel.sharing import _objects as module

pytestmark = pytest.mark.requirement("INT-4")

stix2 = pytest.importorskip("stix2", reason="the extra `dev` brings it")

INDICATOR = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "created": "2016-04-06T20:03:48.000Z",
    "modified": "2016-04-06T20:03:48.000Z",
    "pattern": "[ipv4-addr:value = '198.51.100.7']",
    "pattern_type": "stix",
    "valid_from": "2016-01-01T00:00:00Z",
}


def id_of_stix2(raw):
    """The id that the `stix2` library gives an observable."""
    kind = "".join(part.capitalize() for part in raw["type"].split("-"))
    kind = {"Ipv4Addr": "IPv4Address", "DomainName": "DomainName", "Url": "URL", "EmailAddr": "EmailAddress"}.get(
        kind, kind
    )
    return getattr(stix2.v21, kind)(**{k: v for k, v in raw.items() if k not in ("id", "spec_version", "type")}).id


def bundle(*objects, **others):
    return json.dumps({"type": "bundle", "id": "bundle--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
                       "objects": objects} | others).encode()  # fmt: skip


def test_public_bundles_come_out_as_they_went_in(stix_folder):
    files = sorted((stix_folder / "examples").rglob("*.json"))
    n_objects = 0
    for file in files:
        data = file.read_bytes()
        read = read_bundle(data)
        assert not read.rejected, (file, read.rejected)
        document = json.loads(data)
        want = document.get("objects", [document]) if isinstance(document, dict) else document
        again = read_bundle(write_bundle(read.objects))
        assert [one.raw for one in again.objects] == want, file
        n_objects += len(want)
    assert n_objects > 200


def test_what_passes_here_passes_the_schemas_and_what_they_refuse_is_refused(stix_folder, schema_errors):
    """Each property taken away and each made a number: the schemas and we agree on what is required."""
    seen = disagreed = 0
    for file in sorted((stix_folder / "examples").rglob("*.json")):
        for one in read_bundle(file.read_bytes()).objects[:40]:
            if one.type not in (
                "indicator",
                "malware",
                "identity",
                "relationship",
                "campaign",
                "report",
                "file",
                "url",
            ):
                continue
            for name in one.raw:
                spoilt = {key: value for key, value in one.raw.items() if key != name}
                ours = refused(spoilt)
                theirs = bool(schema_errors(spoilt)) if "type" in spoilt else True
                seen += 1
                disagreed += ours is not theirs
                assert ours or not theirs, (name, one.raw)  # never more lenient than the schemas
    assert seen > 500
    # Where we are stricter the standard is, too: none of the properties at hand.
    assert disagreed == 0


def refused(raw):
    try:
        checked(raw, where="x")
    except InvalidObject:
        return True
    return False


@pytest.mark.parametrize(
    ("change", "property_"),
    [
        ({"pattern": None}, "pattern"),
        ({"pattern": 7}, "pattern"),
        ({"id": "indicator--1"}, "id"),
        ({"id": "malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"}, "id"),
        ({"type": "Indicator"}, "type"),
        ({"spec_version": "3.0"}, "spec_version"),
        ({"created": "2016-04-06 20:03:48Z"}, "created"),
        ({"modified": "2015-04-06T20:03:48.000Z"}, "modified"),
        ({"valid_until": "2016-01-01T00:00:00.000Z"}, "valid_until"),
        ({"confidence": 101}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"created_by_ref": "somebody"}, "created_by_ref"),
        ({"object_marking_refs": ["x"]}, "object_marking_refs"),
        ({"labels": []}, "labels"),
        ({"labels": [3]}, "labels"),
        ({"revoked": "yes"}, "revoked"),
        ({"external_references": [{}]}, "external_references"),
        ({"granular_markings": [{"selectors": "x"}]}, "granular_markings"),
        ({"extensions": []}, "extensions"),
    ],
)
def test_a_refusal_names_object_and_property(change, property_):
    read = read_bundle(bundle(INDICATOR | change, INDICATOR))
    (error,) = read.rejected
    assert error.property == property_
    assert error.object
    assert error.reason
    assert [one.raw for one in read.objects] == [INDICATOR]  # the rest is read
    with pytest.raises(InvalidObject):
        read.require_all()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"x_[a-z]{1,8}", fullmatch=True), json_values, max_size=5), json_values)
def test_unknown_properties_and_extensions_are_kept_whatever_they_hold(own, extension):
    raw = INDICATOR | own | {"extensions": {"extension-definition--0c4b4611-8297-4d1b-8b55-e40b5c78cb6e": extension}}
    (one,) = read_bundle(bundle(raw)).objects
    assert json.loads(one.encoded()) == raw
    (again,) = read_bundle(write_bundle([one])).objects
    assert again.raw == raw
    assert again.digest_bytes() == one.digest_bytes()


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_hostile_bytes_are_refused_or_read_and_nothing_else(data):
    try:
        read = read_bundle(data)
    except (InvalidInput, LimitExceeded):
        return
    assert all(isinstance(one, StixObject) for one in read.objects)


def test_what_is_too_much_is_refused(monkeypatch):
    with pytest.raises(LimitExceeded, match="bytes of a document"):
        read_bundle(bundle(INDICATOR), max_bytes=10)
    with pytest.raises(InvalidInput, match="deep"):
        read_bundle(b"[" * 100_000 + b"]" * 100_000)
    nested: dict = {}
    for _ in range(40):
        nested = {"x": nested}
    (error,) = read_bundle(bundle(INDICATOR | {"x_deep": nested})).rejected
    assert "deeper" in error.reason
    monkeypatch.setattr(module, "MAX_OBJECTS", 2)
    with pytest.raises(LimitExceeded, match="objects of a document"):
        read_bundle(bundle(INDICATOR, INDICATOR, INDICATOR))


def test_a_bundle_in_a_bundle_and_a_bundle_without_id_are_refused():
    assert read_bundle(bundle(json.loads(bundle()))).rejected
    with pytest.raises(InvalidInput, match=r"document\.id"):
        read_bundle(b'{"type":"bundle","objects":[]}')


def test_the_whole_of_attack_is_read_and_brought_up_to_date(shared_data):
    read = read_bundle((shared_data / "intel" / "attack_enterprise" / "enterprise-attack.json").read_bytes())
    assert not read.rejected
    assert read.upgraded == 24_771
    assert {one.raw["spec_version"] for one in read.objects} == {"2.1"}
    assert len({one.id for one in read.objects}) == 24_771


def test_observed_data_of_2_0_is_what_stix2_would_make_of_it(schema_errors):
    old = {
        "type": "observed-data", "id": "observed-data--b67d30ff-02ac-498a-92f9-32f845f448cf",
        "created": "2016-04-06T19:58:16.000Z", "modified": "2016-04-06T19:58:16.000Z",
        "first_observed": "2015-12-21T19:00:00Z", "last_observed": "2015-12-21T19:00:00Z", "number_observed": 50,
        "objects": {
            "0": {"type": "file", "name": "foo.exe", "hashes": {"MD5": "d41d8cd98f00b204e9800998ecf8427e"}},
            "1": {"type": "ipv4-addr", "value": "198.51.100.3"},
            "2": {"type": "network-traffic", "src_ref": "1", "protocols": ["tcp"]},
            "3": {"type": "email-message", "is_multipart": False, "from_ref": "4", "to_refs": ["4"]},
            "4": {"type": "email-addr", "value": "a@b.example"},
        },
    }  # fmt: skip
    read = read_bundle(bundle(old, spec_version="2.0")).require_all()
    *observables, observed = read.objects
    assert observed.raw["object_refs"] == [one.id for one in observables]
    assert "objects" not in observed.raw
    by_type = {one.type: one for one in observables}
    assert by_type["network-traffic"].raw["src_ref"] == by_type["ipv4-addr"].id
    for one in observables:
        assert not schema_errors(one.raw)
        assert one.id == id_of_stix2(one.raw)
    assert stix2.parse(observed.encoded().decode())


def test_a_cycle_of_observables_and_a_missing_one():
    old = {
        "type": "observed-data", "id": "observed-data--b67d30ff-02ac-498a-92f9-32f845f448cf",
        "created": "2016-04-06T19:58:16.000Z", "modified": "2016-04-06T19:58:16.000Z",
        "first_observed": "2015-12-21T19:00:00Z", "last_observed": "2015-12-21T19:00:00Z", "number_observed": 1,
        "objects": {
            "0": {"type": "process", "pid": 1, "parent_ref": "1"},
            "1": {"type": "process", "pid": 2, "parent_ref": "0"},
        },
    }  # fmt: skip
    read = read_bundle(bundle(old, spec_version="2.0")).require_all()
    assert [one.type for one in read.objects] == ["process", "process", "observed-data"]
    old["objects"]["1"]["parent_ref"] = "7"
    (error,) = read_bundle(bundle(old, spec_version="2.0")).rejected
    assert "'7'" in error.reason


OBSERVABLES = [
    {"type": "ipv4-addr", "value": "198.51.100.3"},
    {"type": "domain-name", "value": "bücher.example"},
    {"type": "url", "value": 'https://a.example/?q="1"'},
    {"type": "file", "hashes": {"SHA-256": "ab" * 32, "MD5": "cd" * 16}, "name": "x.exe"},
    {"type": "autonomous-system", "number": 64496},
    {"type": "user-account", "account_login": "root", "account_type": "unix"},
    {"type": "windows-registry-key", "key": "HKLM\\Software\\x",
     "values": [{"name": "a", "data": "b", "data_type": "REG_SZ"}]},
    {"type": "network-traffic", "src_port": 1, "dst_port": 2, "protocols": ["tcp"],
     "src_ref": "ipv4-addr--4d22aae0-2bf9-5427-8819-e4f6abf20a53"},
    {"type": "mutex", "name": "m"},
    {"type": "software", "name": "s", "version": "1.0"},
]  # fmt: skip


@pytest.mark.parametrize("raw", OBSERVABLES, ids=lambda raw: raw["type"])
def test_ids_of_observables_are_those_of_the_standard(raw):
    assert observable_id(raw["type"], raw) == id_of_stix2(raw)
