"""The OCSF view, checked against the published schema itself."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Event, ns_from_iso
from phalanx.demo import Intrusion
from phalanx.intel import OCSF_VERSION, ocsf_view, read_chunk
from phalanx.intel.reading import mapping_of
from phalanx.intel.reading.ocsf import CLASSES

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


SURICATA = {
    "timestamp": "2026-03-02T08:29:00Z", "flow_id": 7, "src_ip": "10.0.0.1", "src_port": 4242, "dest_ip": "192.0.2.7",
    "dest_port": 53, "proto": "UDP", "host": "sensor-1", "app_proto": "dns",
}  # fmt: skip
CLOUDTRAIL = {
    "eventTime": "2026-03-02T08:29:00Z", "eventSource": "iam.amazonaws.com", "eventID": "e1", "awsRegion": "eu-west-1",
    "requestID": "r1", "sourceIPAddress": "192.0.2.9", "userAgent": "cli", "recipientAccountId": "123",
    "userIdentity": {"type": "IAMUser", "userName": "kim", "principalId": "P"}, "errorCode": "AccessDenied",
}  # fmt: skip
ECS = {
    "@timestamp": "2026-03-02T08:29:00Z", "ecs.version": "8.11", "host.name": "h", "user.name": "kim", "message": "m",
    "source.ip": "10.0.0.1", "source.port": 1, "destination.ip": "10.0.0.2", "destination.port": 2,
    "process.executable": "/bin/id", "process.pid": 3, "process.command_line": "id", "file.path": "/etc/a",
    "file.name": "a", "event.code": "4", "event.outcome": "success",
}  # fmt: skip
# What is sent, and the class and activity that it is.
SENT = [
    (SURICATA | {"event_type": "dns", "dns": {"type": "query", "rrname": "a.example", "rrtype": "A"}}, 4003, 1),
    (
        SURICATA | {"event_type": "http", "http": {"http_method": "POST", "hostname": "a.example", "status": 200}},
        4002,
        6,
    ),
    (SURICATA | {"event_type": "flow", "flow": {"bytes_toserver": 1, "pkts_toclient": 2}}, 4001, 6),
    (SURICATA | {"event_type": "tls", "tls": {"sni": "a.example", "version": "TLS 1.3"}}, 4001, 6),
    (SURICATA | {"event_type": "alert", "alert": {"signature": "s", "signature_id": 1}}, 2004, 1),
    (SURICATA | {"event_type": "ssh"}, 4007, 0),
    (SURICATA | {"event_type": "smb"}, 4006, 0),
    (SURICATA | {"event_type": "stats"}, 0, 0),
    (CLOUDTRAIL | {"eventName": "CreateUser"}, 6003, 1),
    (CLOUDTRAIL | {"eventName": "ListUsers"}, 6003, 2),
    (CLOUDTRAIL | {"eventName": "Whatever"}, 6003, 99),
    (CLOUDTRAIL | {"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}}, 3002, 1),
    (ECS | {"event.category": ["process"], "event.type": ["start"]}, 1007, 1),
    (ECS | {"event.category": ["authentication"], "event.type": ["start"]}, 3002, 1),
    (ECS | {"event.category": ["authentication"], "event.type": ["end"]}, 3002, 2),
    (ECS | {"event.category": ["file"]}, 1001, 0),
    (ECS | {"event.category": ["network"]}, 4001, 6),
    (ECS | {"event.category": ["network"], "dns.question.name": "a.example"}, 4003, 6),
    (ECS | {"event.category": ["iam"]}, 0, 0),
    (b"CEF:0|v|p|1|c|n|5|src=10.0.0.1 dst=10.0.0.2 spt=1 dpt=2 proto=TCP act=deny in=5 out=6", 4001, 5),
    (b"CEF:0|v|p|1|c|n|5|suser=kim", 0, 0),
    (b"LEEF:1.0|v|p|1|c|src=10.0.0.1\tdst=10.0.0.2\tsrcPort=1\tdstPort=2\tproto=TCP\taction=allow", 4001, 6),
    (b"LEEF:1.0|v|p|1|c|usrName=kim", 0, 0),
]


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(("line", "class_uid", "activity_id"), SENT)
def test_what_others_send_has_their_tables_and_fits_the_published_schema(line, class_uid, activity_id, schema):
    view = view_of(line)
    assert (view["class_uid"], view["activity_id"]) == (class_uid, activity_id)
    body, known = schema.class_of(class_uid)
    assert body["caption"] == view["class_name"]
    check_attributes(schema, view, known, body["name"])


def test_a_service_of_another_product_has_no_table_of_zeek():
    view = view_of(SURICATA | {"event_type": "dns", "dns": {"rrname": "a.example"}, "query": "not.this", "uid": "u"})
    assert view["query"] == {"hostname": "a.example"}
    assert view["src_endpoint"] == {"ip": "10.0.0.1", "port": 4242}
    assert view["unmapped"] == {"query": "not.this", "timestamp": "2026-03-02T08:29:00Z", "uid": "u"}


@pytest.mark.requirement("INT-1")
def test_what_comes_as_ocsf_is_shown_as_the_class_it_is():
    sent = {
        "class_uid": 3002, "activity_id": 2, "time": 1_772_440_140_000, "user": {"name": "kim"}, "severity_id": 3,
        "metadata": {"uid": "theirs", "version": "1.3.0", "product": {"name": "P"}}, "unmapped": {"a": [1]},
    }  # fmt: skip
    view = view_of(sent)
    assert (view["class_name"], view["activity_name"], view["type_uid"]) == ("Authentication", "Logoff", 300202)
    assert (view["user"], view["severity_id"], view["unmapped"]) == ({"name": "kim"}, 3, {"a": [1]})
    assert (view["metadata"]["original_event_uid"], view["metadata"]["version"]) == ("theirs", "1.3.0")
    assert view["metadata"]["uid"] != "theirs"
    unknown = view_of({"class_uid": 999_999, "time": 1, "metadata": "text"})
    assert unknown["class_uid"] == 999_999
    assert unknown["metadata"]["log_source"] == "ocsf/ocsf"


@pytest.mark.requirement("INT-1")
def test_what_a_mapping_loses_is_told():
    line = {"EventID": 10, "Channel": "Microsoft-Windows-Sysmon/Operational", "UtcTime": "2026-03-02 08:29:00.000001"}
    line |= {"GrantedAccess": "0x1010", "SourceProcessId": "many", "SourceImage": "C:\\a.exe", "Extra": 1}
    out = read_chunk(msgspec.json.encode(line), tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
    mapping = mapping_of(Event(out.batches[0], 0))
    assert (mapping.class_uid, mapping.class_name) == (1007, "Process Activity")
    assert mapping.mapped["requested_permissions"] == "GrantedAccess"
    assert set(mapping.unmapped) == {"UtcTime", "SourceProcessId", "Extra"}
    assert mapping.lossy == {
        "SourceProcessId": "actor.process.pid cannot hold it", "(time)": "time is in milliseconds"
    }  # fmt: skip


@pytest.mark.requirement("INT-1")
def test_the_generated_classes_are_those_of_the_published_schema(schema, shared_data):
    root = Path(__file__).parents[3]
    command = [sys.executable, root / "scripts/generate_ocsf.py", shared_data / "schemas/ocsf_schema", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(CLASSES) > 80
    base = CLASSES[0].attributes
    for uid, one in CLASSES.items():
        body, known = schema.class_of(uid)
        assert body["caption"] == one.class_name
        assert one.attributes | base >= set(known)


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
            is_list = bool(schema.dictionary[name].get("is_array"))
            assert isinstance(inner, list) == is_list, f"{path}.{name} should be a {'list of ' * is_list}{kind}"
            for one in inner if is_list else [inner]:
                assert isinstance(one, dict), f"{path}.{name} should be a {kind}"
                check_attributes(schema, one, schema.object_attributes(kind), f"{path}.{name}")


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
