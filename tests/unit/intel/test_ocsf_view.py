"""The OCSF view, checked against the published schema itself."""

import json

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Event, ns_from_iso
from phalanx.demo import Intrusion
from phalanx.intel import OCSF_VERSION, ocsf_view, read_chunk

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
ACCEPTED_NS = ns_from_iso("2026-03-02T10:00:00Z")


def view_of(line):
    line = line if isinstance(line, bytes) else msgspec.json.encode(line)
    out = read_chunk(line, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
    return ocsf_view(Event(out.batches[0], 0))


def test_a_started_process():
    view = view_of(
        {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Hostname": "ws-07.corp.example",
            "UtcTime": "2026-03-02 09:59:58.250",
            "Image": "C:\\Windows\\System32\\cmd.exe",
            "CommandLine": "cmd.exe /c dir",
            "ProcessId": "4711",
            "ParentImage": "C:\\Windows\\explorer.exe",
            "User": "CORP\\m.keller",
            "Company": "-",
        }
    )
    assert (view["class_uid"], view["activity_id"], view["type_uid"]) == (1007, 1, 100701)
    assert view["time"] == ns_from_iso("2026-03-02T09:59:58.250Z") // 1_000_000
    assert view["device"]["hostname"] == "ws-07.corp.example"
    assert view["process"]["name"] == "cmd.exe"
    assert view["process"]["pid"] == 4711
    assert view["process"]["cmd_line"] == "cmd.exe /c dir"
    assert view["actor"]["process"]["file"]["path"] == "C:\\Windows\\explorer.exe"
    assert view["unmapped"] == {"Company": "-", "UtcTime": "2026-03-02 09:59:58.250"}


def test_an_audited_process_has_its_own_names_for_the_same():
    view = view_of(
        {
            "EventID": 4688,
            "Channel": "Security",
            "NewProcessName": "C:\\a.exe",
            "NewProcessId": "0x1267",
            "ProcessId": "0x2b8",
        }
    )
    assert view["process"]["pid"] == 0x1267
    assert view["actor"]["process"]["pid"] == 0x2B8
    assert view["process"]["name"] == "a.exe"


def test_a_login_over_ssh_and_one_that_failed():
    line = b"<38>1 2026-03-02T09:00:00Z web-01 sshd 1 - - %s password for deploy from 203.0.113.9 port 4242 ssh2"
    view = view_of(line % b"Accepted")
    assert (view["class_uid"], view["status_id"]) == (3002, 1)
    assert view["src_endpoint"] == {"ip": "203.0.113.9", "port": 4242}
    assert view["user"]["name"] == "deploy"
    assert view_of(line % b"Failed")["status_id"] == 2


def test_what_no_table_knows_is_a_base_event_that_loses_nothing():
    view = view_of({"EventID": 7036, "Channel": "System", "param1": "Spooler", "Hostname": "h"})
    assert view["class_uid"] == 0
    assert view["unmapped"] == {"param1": "Spooler"}
    assert view["device"]["hostname"] == "h"


class Schema:
    """The published schema: classes with all they inherit, objects with their attributes."""

    def __init__(self, root):
        self._root = root
        self.version = self._load("version.json")["version"]
        self.categories = self._load("categories.json")["attributes"]
        self.dictionary = self._load("dictionary.json")["attributes"]
        self.dictionary |= self._load("extensions/windows/dictionary.json")["attributes"]
        self._events = self._named("events")
        self._objects = self._named("objects")

    def _load(self, path):
        return json.loads((self._root / path).read_text())

    def _named(self, folder):
        found = {}
        for file in [*self._root.glob(f"{folder}/**/*.json"), *self._root.glob(f"extensions/windows/{folder}/*.json")]:
            body = json.loads(file.read_text())
            body["windows"] = "extensions" in file.parts
            # An extension's file without a name adds to what it extends.
            found.setdefault(body.get("name") or body["extends"], []).append(body)
        return found

    def _attributes(self, bodies, name):
        result = {}
        for body in bodies.get(name, []):
            own = dict(body.get("attributes", {}))
            for include in own.pop("$include", []):
                result |= self._load(include)["attributes"]
            result |= own
            if body.get("extends", name) != name:
                result |= self._attributes(bodies, body["extends"])
        return result

    def object_attributes(self, name):
        return self._attributes(self._objects, name)

    def class_of(self, uid):
        """The class of that uid, and the attributes it may have."""
        for name, (body, *_) in self._events.items():
            if "uid" not in body and name != "base_event":
                continue
            own = self._category_uid(body) * 1000 + body.get("uid", 0) + (200_000 if body["windows"] else 0)
            if own == uid:
                return body, self._attributes(self._events, name)
        raise AssertionError(f"there is no class {uid}")

    def _category_uid(self, body):
        while "category" not in body:
            body = self._events[body["extends"]][0]
        return 0 if body["category"] == "other" else self.categories[body["category"]]["uid"]


@pytest.fixture(scope="session")
def schema(shared_data):
    return Schema(shared_data / "schemas" / "ocsf_schema")


def check_attributes(schema, value, known, path):
    for name, inner in value.items():
        assert name in known, f"{path}.{name} is not in the schema"
        kind = schema.dictionary[name]["type"]
        if kind.endswith("_t"):
            assert not isinstance(inner, dict) or name == "unmapped", f"{path}.{name} should be a {kind}"
            if kind in ("integer_t", "long_t", "port_t", "timestamp_t"):
                assert isinstance(inner, int), f"{path}.{name} should be a number"
        elif name != "unmapped":
            assert isinstance(inner, dict), f"{path}.{name} should be a {kind}"
            check_attributes(schema, inner, schema.object_attributes(kind), f"{path}.{name}")


@pytest.mark.requirement("INT-1")
def test_every_view_of_the_demo_fits_the_published_schema(schema):
    assert schema.version == OCSF_VERSION
    seen = {}
    for chunk in Intrusion(7).chunks():
        out = read_chunk(chunk.data, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
        for batch in out.batches:
            for event in batch:
                view = ocsf_view(event)
                seen.setdefault((view["class_uid"], view["activity_id"], str(batch.log_source)), view)
    classes = {class_uid for class_uid, _, _ in seen}
    assert {1001, 1006, 1007, 1009, 3002, 4001, 4002, 4003, 201002, 201004} <= classes
    for (class_uid, activity_id, _), view in seen.items():
        body, known = schema.class_of(class_uid)
        assert body["caption"] == view["class_name"]
        if class_uid:
            caption = body["attributes"]["activity_id"]["enum"].get(str(activity_id), {"caption": "Unknown"})
            assert caption["caption"] == view["activity_name"]
            category = next(c for c in schema.categories.values() if c["uid"] == view["category_uid"])
            assert category["caption"] == view["category_name"]
        check_attributes(schema, view, known, body["name"])
