"""MISP events in and out, held to `pymisp`: what it writes is read here, what is written here it reads."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.sharing import (
    MarkingBook,
    indicators_of,
    marking_named,
    misp_event,
    misp_feed,
    read_bundle,
    read_misp,
    write_bundle,
)
from phalanx.messaging import Marking

pytestmark = pytest.mark.requirement("INT-4")

pymisp = pytest.importorskip("pymisp", reason="the extra `dev` brings it")

ATTRIBUTES = [
    ("ip-dst", "198.51.100.1", True), ("ip-src", "2001:db8::1", True), ("ip-dst", "203.0.113.0/24", True),
    ("domain", "c2.example", True), ("hostname", "a.c2.example", True), ("url", "http://c2.example/x?'y", True),
    ("md5", "ab" * 16, True), ("sha256", "cd" * 32, True), ("filename|sha1", "x.exe|" + "ef" * 20, True),
    ("email-src", "a@b.example", True), ("domain|ip", "d.example|198.51.100.2", True),
    ("ip-dst|port", "198.51.100.3|443", True), ("regkey", "HKLM\\Software\\x", True), ("mutex", "m", False),
    ("domain", "seen.example", False), ("vulnerability", "CVE-2021-44228", False), ("text", "words", False),
    ("yara", "rule x { condition: true }", True), ("comment", "nothing", False), ("AS", "AS64496", False),
]  # fmt: skip


def event():
    """An event as `pymisp` writes it."""
    made = pymisp.MISPEvent()
    made.from_dict(info="An intrusion", date="2026-01-02", threat_level_id=1, analysis=2, timestamp=1_767_400_000)
    made.Orgc = pymisp.MISPOrganisation()
    made.Orgc.from_dict(name="ACME", uuid=str(uuid.UUID(int=7, version=4)))
    made.uuid = str(uuid.UUID(int=1, version=4))
    for place, (kind, value, to_ids) in enumerate(ATTRIBUTES):
        one = made.add_attribute(kind, value, to_ids=to_ids, comment=f"number {place}", timestamp=1_767_400_000 + place)
        one.uuid = str(uuid.UUID(int=1_000 + place, version=4))
    made.attributes[0].add_tag("tlp:amber")
    made.add_tag("tlp:green")
    made.add_tag('misp-galaxy:mitre-attack-pattern="PowerShell - T1059.001"')
    made.add_tag("kind:test")
    holder = made.add_object(name="file", strict=False)
    holder.uuid = str(uuid.UUID(int=2_000, version=4))
    for relation, value in (("filename", "y.exe"), ("md5", "12" * 16)):
        holder.add_attribute(relation, value).uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, value))
    return json.loads(made.to_json())


def attributes(document):
    inner = document["Event"]
    held = [*inner["Attribute"], *(one for holder in inner["Object"] for one in holder["Attribute"])]
    return {(one["type"], one["value"], bool(one["to_ids"])) for one in held}


def test_what_pymisp_writes_is_read_and_what_has_no_form_is_counted():
    read = read_misp(json.dumps({"Event": event()}).encode())
    assert (read.events, read.rejected) == (1, ())
    assert dict(read.unmapped) == {"text": 1, "comment": 1}
    values = {(one.kind, one.value) for one in indicators_of(read.objects).indicators}
    assert values >= {
        ("ip", "198.51.100.1"), ("ip", "2001:db8::1"), ("ip", "203.0.113.0/24"), ("domain", "c2.example"),
        ("url", "http://c2.example/x?'y"), ("hash", "ab" * 16), ("hash", "ef" * 20), ("email", "a@b.example"),
        ("domain", "d.example"), ("ip", "198.51.100.2"), ("hash", "12" * 16),
    }  # fmt: skip
    assert not any(one.value == "seen.example" for one in indicators_of(read.objects).indicators)
    book = MarkingBook(read.objects)
    by_value = {one.raw.get("x_misp_value"): book.marking_of(one) for one in read.objects}
    assert (by_value["198.51.100.1"], by_value["c2.example"]) == (Marking.AMBER, Marking.GREEN)
    names = [one.raw["name"] for one in read.objects if one.type == "attack-pattern"]
    assert names == ["Command and Scripting Interpreter: PowerShell"]
    again = read_bundle(write_bundle(read.objects)).require_all()
    assert [one.raw for one in again.objects] == [one.raw for one in read.objects]


def test_objects_pass_the_schema(schema_errors):
    for one in read_misp(json.dumps({"Event": event()}).encode()).objects:
        assert not schema_errors(one.raw), one.raw


def test_an_event_goes_out_as_it_came_in_and_pymisp_reads_it():
    came = {"Event": event()}
    objects = read_misp(json.dumps(came).encode()).objects
    out = misp_event(objects, organisation="us", unmarked=Marking.AMBER)
    assert attributes(out) == attributes(came)
    told, said = out["Event"], came["Event"]
    assert [told[name] for name in ("uuid", "info", "date", "threat_level_id", "analysis")] == [
        said["uuid"], said["info"], said["date"], said["threat_level_id"], said["analysis"],
    ]  # fmt: skip
    assert told["Orgc"] == {"name": "ACME", "uuid": said["Orgc"]["uuid"]}
    tags = {one["name"] for one in told["Tag"]}
    assert {"tlp:green", "kind:test", 'misp-galaxy:mitre-attack-pattern="PowerShell - T1059.001"'} <= tags
    assert {one["value"]: one["Tag"][0]["name"] for one in told["Attribute"] if "Tag" in one} == {
        "198.51.100.1": "tlp:amber",
    }  # fmt: skip
    assert {one["uuid"] for one in told["Attribute"]} == {one["uuid"] for one in said["Attribute"]}
    theirs = pymisp.MISPEvent()
    theirs.load(json.dumps(out))
    assert len(theirs.attributes) == len(ATTRIBUTES)
    assert [one.name for one in theirs.objects] == ["file"]
    assert misp_event(read_misp(json.dumps(out).encode()).objects, organisation="us", unmarked=Marking.AMBER) == out


def test_indicators_of_others_become_attributes(stix_folder):
    objects = read_bundle((stix_folder / "examples" / "threat-reports" / "poisonivy.json").read_bytes()).objects
    out = misp_event(objects, organisation="us", unmarked=Marking.GREEN)
    theirs = pymisp.MISPEvent()
    theirs.load(json.dumps(out))
    found = {(one.type, one.value) for one in theirs.attributes if one.to_ids}
    values = {one.value for one in indicators_of(objects).indicators}
    assert {value for kind, value in found if kind != "stix2-pattern"} == values
    assert any(kind == "stix2-pattern" for kind, _ in found)


def test_a_feed_is_one_that_pymisp_makes_too():
    out = misp_event(
        read_misp(json.dumps({"Event": event()}).encode()).objects, organisation="us", unmarked=Marking.GREEN
    )
    files = misp_feed([out])
    theirs = pymisp.MISPEvent()
    theirs.load(json.dumps(out))
    name = out["Event"]["uuid"]
    assert set(files) == {f"{name}.json", "manifest.json", "hashes.csv"}
    ours = set(files["hashes.csv"].decode().split())
    assert {f"{one},{name}" for one in theirs.attributes_hashes("md5")} <= ours
    manifest = json.loads(files["manifest.json"])
    assert set(manifest) == set(theirs.manifest)
    assert manifest[name]["info"] == theirs.manifest[name]["info"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uuid": "x"}, "Event[0].uuid"),
        ({"timestamp": "yesterday", "date": ""}, "Event[0].timestamp"),
        ({"Attribute": {}}, "Event[0].Attribute"),
        ({"Object": [3]}, "Event[0].Object"),
    ],
)
def test_an_event_that_is_none_is_refused_by_name(change, field):
    with pytest.raises(InvalidInput) as caught:
        read_misp(json.dumps({"Event": event() | change}).encode())
    assert caught.value.field == field


def test_an_attribute_that_is_none_is_refused_and_the_others_are_read():
    made = event()
    made["Attribute"].insert(0, {"type": "md5", "value": 5})
    read = read_misp(json.dumps([{"Event": made}]).encode())
    assert [one.object for one in read.rejected] == ["Event[0].Attribute[0]"]
    assert len(indicators_of(read.objects).indicators) > 10


def test_a_tag_of_tlp_that_nobody_knows_closes_and_distribution_counts():
    for tags, distribution, want in (
        (["tlp:ex:chr"], "3", Marking.RED), ([], "0", Marking.AMBER_STRICT), ([], "4", Marking.AMBER),
        (["tlp:white", "tlp:amber"], "3", Marking.AMBER),
    ):  # fmt: skip
        made = event() | {"Tag": [{"name": tag} for tag in tags], "distribution": distribution}
        objects = read_misp(json.dumps({"response": [{"Event": made}]}).encode()).objects
        report = next(one for one in objects if one.type == "report")
        assert MarkingBook(objects).marking_of(report) is want


def test_too_much_is_refused(monkeypatch):
    from phalanx.intel.sharing import _misp

    monkeypatch.setattr(_misp, "MAX_ATTRIBUTES", 3)
    with pytest.raises(LimitExceeded):
        read_misp(json.dumps({"Event": event()}).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Event", "Attribute", "Object", "Tag", "Galaxy", "GalaxyCluster", "uuid", "type", "value",
                         "name", "timestamp", "to_ids", "response", "first_seen", "comment"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_hostile_documents_are_refused_or_read(value):
    head = {"uuid": str(uuid.UUID(int=1, version=4)), "timestamp": "1"}
    for document in (value, {"Event": head | (value if isinstance(value, dict) else {"Attribute": value})}):
        try:
            read_misp(json.dumps(document).encode())
        except (InvalidInput, LimitExceeded):
            continue


def uuid_of(number):
    return str(uuid.UUID(int=number, version=4))


def said_of(document):
    """What each attribute says, by its UUID, with the object that it is of."""
    inner = document["Event"]
    held = [(None, one) for one in inner["Attribute"]]
    held += [
        ({key: holder.get(key) for key in ("name", "uuid", "template_uuid", "template_version", "description")}, one)
        for holder in inner["Object"] for one in holder["Attribute"]
    ]  # fmt: skip
    names = ("type", "value", "category", "to_ids", "comment", "timestamp", "first_seen", "last_seen")
    return {
        one["uuid"]: (
            {name: one.get(name) or "" for name in names}, one.get("object_relation", ""),
            {tag["name"] for tag in one.get("Tag", ())}, holder,
        )
        for holder, one in held
    }  # fmt: skip


def test_every_attribute_says_when_it_is_written_again_what_it_said():
    made = pymisp.MISPEvent()
    made.from_dict(info="Twice seen", date="2026-01-02", timestamp=1_767_400_000, uuid=uuid_of(1))
    made.add_tag("tlp:green")
    plain = [
        ("ip-src", "198.51.100.1", False), ("ip-dst", "198.51.100.1", False), ("domain", "c2.example", True),
        ("domain", "c2.example", False), ("hostname", "c2.example", False), ("text", "words", False),
        ("vulnerability", "CVE-2021-44228", False),
    ]  # fmt: skip
    for place, (kind, value, to_ids) in enumerate(plain):
        one = made.add_attribute(
            kind, value, to_ids=to_ids, comment=f"number {place}",
            first_seen="2025-12-01T00:00:00.000000+00:00", last_seen="2025-12-02T00:00:00.000000+00:00",
        )  # fmt: skip
        one.uuid = uuid_of(1_000 + place)
        one.add_tag("kind:test")
    holder = made.add_object(name="file", strict=False, description="a file")
    holder.uuid = uuid_of(2_000)
    for place, (relation, value) in enumerate((("filename", "y.exe"), ("entropy", "7.9"), ("md5", "12" * 16))):
        holder.add_attribute(relation, value).uuid = uuid_of(2_001 + place)
    came = {"Event": json.loads(made.to_json())}
    held = [*came["Event"]["Attribute"], *came["Event"]["Object"][0]["Attribute"]]
    for place, one in enumerate(held):
        one["timestamp"] = str(1_767_200_000 + place)  # `pymisp` leaves it out once it has changed an attribute
    objects = read_misp(json.dumps(came).encode()).objects
    out = misp_event(objects, organisation="us", unmarked=Marking.AMBER)
    assert len(said_of(out)) == len(held)
    assert said_of(out) == said_of(came)
    again = read_misp(json.dumps(out).encode()).objects
    assert misp_event(again, organisation="us", unmarked=Marking.AMBER) == out


def test_what_is_kept_in_a_report_closes_it():
    made = pymisp.MISPEvent()
    made.from_dict(info="i", date="2026-01-02", timestamp=1_767_400_000, uuid=uuid_of(1))
    made.add_tag("tlp:green")
    made.add_attribute("text", "for few eyes").add_tag("tlp:red")
    objects = read_misp(json.dumps({"Event": json.loads(made.to_json())}).encode()).objects
    (report,) = [one for one in objects if one.type == "report"]
    assert MarkingBook(objects).marking_of(report) is Marking.RED


def small_event(tags=(), attributes=(), objects=(), **said):
    """Plain JSON: attributes of (type, value, tags, what else it says)."""

    def one(place, kind, value, tags=(), **more):
        return {"type": kind, "value": value, "uuid": uuid_of(place), "Tag": [{"name": tag} for tag in tags], **more}

    return {"Event": {
        "uuid": uuid_of(1), "info": "i", "date": "2026-01-02", "timestamp": "1767400000", "distribution": "3",
        "Tag": [{"name": tag} for tag in tags],
        "Attribute": [one(1_000 + place, *told, **more) for place, (*told, more) in enumerate(attributes)],
        "Object": list(objects), **said,
    }}  # fmt: skip


def markings_in(document, unmarked=Marking.AMBER):
    """What the report is treated as, and each value."""
    objects = read_misp(json.dumps(document).encode(), unmarked=unmarked).objects
    book = MarkingBook(objects)
    (report,) = [one for one in objects if one.type == "report"]
    return book.marking_of(report, unmarked=unmarked), {
        one.raw["x_misp_value"]: book.marking_of(one, unmarked=unmarked) for one in objects if "x_misp_value" in one.raw
    }


@pytest.mark.parametrize("unmarked", [Marking.CLEAR, Marking.AMBER, Marking.RED])
@pytest.mark.parametrize("tag", ["tlp:clear", "tlp:green", "tlp:amber+strict"])
def test_an_attribute_that_is_open_opens_no_report_in_which_others_are_kept(tag, unmarked):
    kept = [("text", "for few eyes", (), {}), ("text", "for more", (tag,), {})]
    closest = max(unmarked, marking_named(tag))
    assert markings_in(small_event(attributes=kept), unmarked)[0] is closest
    # Nor does one that is alone there: the report says more than that.
    assert markings_in(small_event(attributes=kept[1:]), unmarked)[0] is closest


def test_a_clear_event_is_clear_and_goes_out_as_that_again():
    came = small_event(["tlp:clear"], [("domain", "c2.example", (), {"to_ids": True}), ("text", "words", (), {})])
    report, values = markings_in(came)
    assert (report, values) == (Marking.CLEAR, {"c2.example": Marking.CLEAR})
    objects = read_misp(json.dumps(came).encode()).objects
    out = misp_event(objects, organisation="us", unmarked=Marking.AMBER)["Event"]
    assert [one["name"] for one in out["Tag"]] == ["tlp:clear"]
    assert not any(one.get("Tag") for one in out["Attribute"])
    assert misp_event(
        read_misp(json.dumps({"Event": out}).encode()).objects, organisation="us", unmarked=Marking.AMBER
    ) == {"Event": out}  # fmt: skip


def test_whom_an_attribute_or_its_object_is_for_closes_it_and_opens_nothing():
    held = {"type": "domain", "value": "held.example", "uuid": uuid_of(3_000), "distribution": "5"}
    holder = {"name": "domain-ip", "uuid": uuid_of(2_000), "distribution": 0, "Attribute": [held]}
    plain = [
        ("domain", "own.example", (), {"distribution": "0"}), ("domain", "group.example", (), {"distribution": "4"}),
        ("domain", "all.example", (), {"distribution": "5"}),
        ("domain", "tagged.example", ("tlp:red",), {"distribution": "0"}),
    ]  # fmt: skip
    report, values = markings_in(small_event(["tlp:green"], plain, [holder]))
    assert report is Marking.GREEN
    assert values == {
        "own.example": Marking.AMBER_STRICT, "group.example": Marking.AMBER, "all.example": Marking.GREEN,
        "tagged.example": Marking.RED, "held.example": Marking.AMBER_STRICT,
    }  # fmt: skip
    # What is without a marking may be treated as closer than any distribution is.
    _, values = markings_in(small_event((), plain, [holder]), Marking.RED)
    assert set(values.values()) == {Marking.RED}
    kept = [("text", "for ourselves", (), {"distribution": "0"})]
    assert markings_in(small_event(["tlp:green"], kept))[0] is Marking.AMBER_STRICT


def test_a_technique_is_as_open_as_the_most_open_that_names_it_and_an_open_report_does_not_refer_to_a_closer_one():
    def named(technique):
        return f'misp-galaxy:mitre-attack-pattern="x - {technique}"'

    came = small_event(
        ["tlp:green", named("T1003")],
        [
            ("domain", "a.example", ("tlp:red", named("T1059.001"), named("T1003"), named("T1105")), {"to_ids": True}),
            ("domain", "b.example", ("tlp:amber", named("T1105")), {"to_ids": True}),
            ("domain", "c.example", (named("T1071"),), {}),
        ],
    )
    objects = read_misp(json.dumps(came).encode()).objects
    book = MarkingBook(objects)
    techniques = {
        one.raw["external_references"][0]["external_id"]: one for one in objects if one.type == "attack-pattern"
    }
    assert {name: book.marking_of(one) for name, one in techniques.items()} == {
        "T1003": Marking.GREEN, "T1059.001": Marking.RED, "T1105": Marking.AMBER, "T1071": Marking.GREEN,
    }  # fmt: skip
    (report,) = [one for one in objects if one.type == "report"]
    referred = {name for name, one in techniques.items() if one.id in report.raw["object_refs"]}
    assert referred == {"T1003", "T1071"}
    out = misp_event(objects, organisation="us", unmarked=Marking.AMBER)["Event"]
    of_event = " ".join(tag["name"] for tag in out["Tag"])
    assert "T1003" in of_event
    assert "T1071" in of_event
    assert "T1059" not in of_event
    assert "T1105" not in of_event
    (red,) = [one for one in out["Attribute"] if one["value"] == "a.example"]
    assert {"tlp:red", named("T1059.001")} <= {tag["name"] for tag in red["Tag"]}


def named(technique):
    return f'misp-galaxy:mitre-attack-pattern="x - {technique}"'


TLP_TAGS = st.sampled_from([(), ("tlp:clear",), ("tlp:green",), ("tlp:amber",), ("tlp:red",)])
TECHNIQUE_TAGS = st.lists(st.sampled_from([named("T1003"), named("T1105")]), max_size=2, unique=True).map(tuple)
SHARED_ATTRIBUTES = st.lists(
    st.tuples(
        st.just("domain"),
        st.sampled_from(["a.example", "b.example"]),
        st.tuples(TLP_TAGS, TECHNIQUE_TAGS).map(lambda parts: parts[0] + parts[1]),
        st.fixed_dictionaries({"comment": st.sampled_from(["one", "two"])}),
    ),
    max_size=3,
)


@st.composite
def collections_of_events(draw):
    """Events of one organisation at one time or two, which name the same techniques and observables."""
    made = []
    for place in range(draw(st.integers(2, 4))):
        tags = draw(TLP_TAGS) + draw(TECHNIQUE_TAGS)
        stamp = draw(st.sampled_from(["1767400000", "1767500000"]))
        # Some are the same event once more, in other words.
        number = draw(st.sampled_from([1, 10 + place]))
        made.append(small_event(tags, draw(SHARED_ATTRIBUTES), uuid=uuid_of(number), timestamp=stamp))
    return made


@given(collections_of_events(), st.sampled_from(list(Marking)), st.data())
def test_events_in_any_order_give_the_same_objects_with_the_closest_marking_of_each(events, unmarked, data):
    def objects_of(*documents):
        return read_misp(json.dumps(list(documents)).encode(), unmarked=unmarked).objects

    def contents(objects):
        return {one.digest_bytes() for one in objects}

    objects = objects_of(*events)
    assert contents(objects) == contents(objects_of(*data.draw(st.permutations(events))))
    book = MarkingBook()
    alone = [one for event in events for one in objects_of(event)]
    assert contents(objects) <= contents(alone)
    for one in objects:
        same = [book.marking_of(each, unmarked=unmarked) for each in alone if each.id == one.id]
        versions = {each.version for each in alone if each.id == one.id}
        if len(versions) == 1:
            assert book.marking_of(one, unmarked=unmarked) is max(same)
    assert len({(one.id, one.version) for one in objects}) == len(objects)


def test_what_was_seen_and_is_not_looked_for_goes_out_as_attributes_without_to_ids():
    def seen(kind, **says):
        return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid_of(len(raw) + 1)}", **says}

    raw = []
    for kind, says in (
        ("ipv4-addr", {"value": "198.51.100.7"}), ("ipv6-addr", {"value": "2001:db8::7"}),
        ("domain-name", {"value": "seen.example"}), ("url", {"value": "http://seen.example/x"}),
        ("email-addr", {"value": "a@seen.example"}), ("mac-addr", {"value": "00:11:22:33:44:55"}),
        ("file", {"name": "x.exe", "hashes": {"MD5": "ab" * 16, "SHA-256": "cd" * 32}}), ("file", {"name": "y.exe"}),
        ("windows-registry-key", {"key": "HKLM\\Software\\x"}), ("mutex", {"name": "m"}),
        ("autonomous-system", {"number": 64496}), ("user-account", {"account_login": "svc-backup"}),
        ("process", {"pid": 7}), ("ipv4-addr", {"value": "198.51.100.8"}),
        ("indicator", {
            "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "pattern_type": "stix",
            "pattern": "[ipv4-addr:value = '198.51.100.8']", "valid_from": "2026-01-01T00:00:00Z",
        }),
    ):  # fmt: skip
        raw.append(seen(kind, **says))
    objects = read_bundle(json.dumps(raw).encode()).require_all().objects
    out = misp_event(objects, organisation="us", unmarked=Marking.AMBER)
    theirs = pymisp.MISPEvent()
    theirs.load(json.dumps(out))
    assert {(one.type, one.value, one.to_ids) for one in theirs.attributes} == {
        ("ip-dst", "198.51.100.7", False), ("ip-dst", "2001:db8::7", False), ("domain", "seen.example", False),
        ("url", "http://seen.example/x", False), ("email", "a@seen.example", False),
        ("mac-address", "00:11:22:33:44:55", False), ("md5", "ab" * 16, False), ("sha256", "cd" * 32, False),
        ("filename", "y.exe", False), ("regkey", "HKLM\\Software\\x", False), ("mutex", "m", False),
        ("AS", "AS64496", False), ("target-user", "svc-backup", False), ("ip-dst", "198.51.100.8", True),
    }  # fmt: skip
    assert len({one.uuid for one in theirs.attributes}) == len(theirs.attributes) == 14
