"""`/v1/sharing`, `/v1/attack` and the commands over a real node: findings told, bundles in and out, markings held."""

import json

import httpx
import pytest
from click.testing import CliRunner

from phalanx.cli.intel._group import intel
from phalanx.core import DEFAULT_TENANT
from phalanx.intel.sharing import Audience

pytestmark = pytest.mark.requirement("INT-4")

LOG_CLEARED = {
    "EventTime": "2026-03-02 09:39:13", "Hostname": "fs-01.corp.example", "EventID": 1102,
    "SourceName": "Microsoft-Windows-Eventlog", "Channel": "Security", "SubjectUserName": "svc-backup",
}  # fmt: skip


async def found(served):
    await served.node.intake.accept(json.dumps(LOG_CLEARED).encode(), tenant=DEFAULT_TENANT)
    await served.node.settled()
    findings = await served.node.findings.list(DEFAULT_TENANT)
    (one,) = [finding for finding in findings if finding.rule == "event-log-cleared"]
    await served.collection("partners", Audience.PARTNER, readers=["acme"])
    await served.collection("open", Audience.PUBLIC)
    return one


def run(served, *arguments, code=0):
    said = CliRunner().invoke(intel, [*arguments, "--url", served.url, "--token", served.secrets["own"]])
    assert said.exit_code == code, (said.output, said.exception)
    return said.output


def test_own_findings_are_told_and_taken_by_a_partner(on_served):
    def work(served, finding):
        with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.secrets['own']}"}) as http:
            refused = http.post("/v1/sharing/collections/open/tell", params={"finding": finding.id}).json()
            assert refused["added"] <= 1  # the definition of the marking, which says nothing
            assert refused["refused"]
            told = http.post("/v1/sharing/collections/partners/tell", params={"case": finding.case}).raise_for_status()
            assert told.json()["added"] >= 5
            assert not told.json()["refused"]
            for params, status in (({}, 422), ({"case": "x", "finding": "y"}, 422), ({"finding": "none"}, 404),
                                   ({"finding": finding.id, "marking": "purple"}, 422)):  # fmt: skip
                assert http.post("/v1/sharing/collections/open/tell", params=params).status_code == status
            asked = {"finding": finding.id, "audience": "community"}
            answer = http.get("/v1/sharing/bundle", params=asked)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-shareable")
            open_ = http.get("/v1/sharing/bundle", params=asked | {"marking": "green", "to": "isac"}).raise_for_status()
            assert "svc-backup" not in open_.text
            assert "fs-01" not in open_.text
            exports = http.get("/v1/sharing/exports").json()["items"]
            assert [(one["to"], one["way"]) for one in exports] == [("isac", "bundle")]
            entries = http.get("/v1/ledger", params={"limit": 1000}).json()["items"]
            assert any(one["action"] == "sharing.exported" for one in entries)
        got = httpx.get(
            f"{served.url}/taxii2/default/collections/"
            f"{next(one['id'] for one in collections(served) if one['alias'] == 'partners')}/objects/",
            headers={"Authorization": f"Bearer {served.secrets['acme']}", "Accept": "application/taxii+json"},
        ).raise_for_status()
        assert {"incident", "sighting", "attack-pattern"} <= {one["type"] for one in got.json()["objects"]}

    on_served(found, work)


def collections(served):
    headers = {"Authorization": f"Bearer {served.secrets['own']}"}
    return httpx.get(f"{served.url}/v1/sharing/collections", headers=headers).json()["items"]


def test_the_commands(on_served, tmp_path, stix_folder):
    def work(served, finding):
        run(served, "taxii", "make", "x", code=1)  # an operator makes no collections
        file = str(stix_folder / "examples" / "threat-reports" / "poisonivy.json")
        assert "155 added" in run(served, "stix", "import", file)
        assert "imported" in run(served, "taxii", "collections")
        run(served, "stix", "import", file, "--collection", "nowhere", code=1)
        said = run(served, "stix", "import", file, "--collection", "partners")
        assert "155 added" in said
        assert "155 known" in run(served, "stix", "import", file, "--collection", "partners")
        out = tmp_path / "out.json"
        run(served, "stix", "export", "--collection", "partners", "--for", "partner", "--out", str(out))
        assert len(json.loads(out.read_bytes())["objects"]) == 155
        run(served, "taxii", "tell", "partners", "--finding", finding.id)
        assert "partners" in run(served, "taxii", "collections")
        assert "bundle" in run(served, "taxii", "exports")
        assert "none is set" in run(served, "taxii", "sources")
        shown = CliRunner().invoke(intel, ["stix", "show", file]).output
        assert "40 ip, 25 domain" in shown
        assert "no value" in shown
        assert CliRunner().invoke(intel, ["stix", "validate", str(out)]).exit_code == 0
        out.write_text(json.dumps({"objects": [{"type": "indicator"}]}))
        bad = CliRunner().invoke(intel, ["stix", "validate", str(out)])
        assert (bad.exit_code, "id" in bad.output) == (1, True)
        headers = {"Authorization": f"Bearer {served.secrets['own']}"}
        coverage = httpx.get(f"{served.url}/v1/attack/coverage", headers=headers).json()
        assert coverage["covered"] > 40
        one = httpx.get(f"{served.url}/v1/attack/techniques/t1086", headers=headers).json()
        assert (one["id"], one["name"]) == ("T1059.001", "PowerShell")

    on_served(found, work)


def test_patterns_are_asked_of_the_lines_of_a_file(tmp_path):
    connection = {"_path": "conn", "ts": 1_767_225_600.0, "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 50_000,
                  "id.resp_h": "198.51.100.7", "id.resp_p": 443, "proto": "tcp"}  # fmt: skip
    other = connection | {"id.resp_h": "192.0.2.1"}
    events, bundle = tmp_path / "conn.log", tmp_path / "bundle.json"
    events.write_text("".join(json.dumps(one) + "\n" for one in (other, connection)))
    head = {"type": "indicator", "spec_version": "2.1", "created": "2026-01-01T00:00:00.000Z", "pattern_type": "stix",
            "modified": "2026-01-01T00:00:00.000Z", "valid_from": "2026-01-01T00:00:00Z"}  # fmt: skip
    patterns = [
        "[network-traffic:dst_ref.value ISSUBSET '198.51.100.0/24' AND network-traffic:dst_port = 443]",
        "[domain-name:value = 'x.example']",
        "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.7']",
        "[ipv4-addr:value MATCHES '(a+)+$']",
    ]
    bundle.write_text(json.dumps({"objects": [
        head | {"id": f"indicator--00000000-0000-4000-8000-{n:012d}", "name": f"number {n}", "pattern": pattern}
        for n, pattern in enumerate(patterns)
    ]}))  # fmt: skip
    asked = ["stix", "match", str(bundle), "--events", str(events)]
    said = CliRunner().invoke(intel, [*asked, "--json"], catch_exceptions=False)
    found = json.loads(said.output)
    assert [(one["line"], one["name"]) for one in found["seen"]] == [(2, "number 0")]
    assert sorted(one["id"][-1] for one in found["not_asked"]) == ["2", "3"]
    assert "number 0" in CliRunner().invoke(intel, asked, catch_exceptions=False).output


def test_attack_from_the_command_line():
    shown = CliRunner().invoke(intel, ["attack", "show", "t1059"], catch_exceptions=False).output
    assert "Command and Scripting Interpreter" in shown
    assert "T1059.001 PowerShell" in shown
    assert "MITRE" in shown
    table = CliRunner().invoke(intel, ["attack", "coverage"], catch_exceptions=False).output
    assert "of 691 techniques have a rule" in table
    found = json.loads(CliRunner().invoke(intel, ["attack", "coverage", "--json", "--tactic", "execution"]).output)
    assert found["covered"] >= len(found["techniques"]) > 3


def test_misp_in_and_out_over_the_commands(on_served, tmp_path):
    event = {"Event": {
        "uuid": "00000000-0000-4000-8000-000000000001", "info": "An intrusion", "date": "2026-01-02",
        "timestamp": "1767400000", "Tag": [{"name": "tlp:green"}], "Orgc": {"name": "ACME"}, "Object": [],
        "Attribute": [
            {"uuid": "00000000-0000-4000-8000-000000000002", "type": "ip-dst", "value": "198.51.100.7", "to_ids": True},
            {"uuid": "00000000-0000-4000-8000-000000000003", "type": "text", "value": "words", "to_ids": False},
        ],
    }}  # fmt: skip
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))

    def work(served, finding):
        assert "1 ip" in CliRunner().invoke(intel, ["misp", "show", str(file)], catch_exceptions=False).output
        assert "; 1 values" in run(served, "misp", "import", str(file), "--collection", "partners")
        feed = tmp_path / "feed"
        run(served, "misp", "export", "--collection", "partners", "--for", "community", "--feed", str(feed))
        run(served, "misp", "export", "--finding", finding.id, "--marking", "green", "--feed", str(feed))
        manifest = json.loads((feed / "manifest.json").read_bytes())
        assert len(manifest) == 2
        assert manifest[event["Event"]["uuid"]]["info"] == "An intrusion"
        assert (feed / "hashes.csv").read_text()
        said = run(served, "misp", "import", str(feed), "--collection", "partners", "--json")
        again = json.loads(said)
        assert (again["events"], again["indicators"]) == (2, 1)
        assert json.loads(run(served, "misp", "import", str(feed), "--collection", "partners", "--json"))["added"] == 0
        out = json.loads(run(served, "misp", "export", "--collection", "partners"))
        assert {one["value"] for one in out["Event"]["Attribute"]} >= {"198.51.100.7", "words"}
        (feed / "manifest.json").write_text('{"../../etc/passwd": {}}')
        run(served, "misp", "import", str(feed), code=1)

    on_served(found, work)
