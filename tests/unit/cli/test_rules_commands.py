"""`phalanx intel rules`: listing, checking and testing rules without a node."""

import gzip
import json
import os

import pytest
from click.testing import CliRunner

from phalanx.cli.intel._rules import rules
from phalanx.cli.node._doctor import doctor
from phalanx.core import LimitExceeded

RULE = """
title: Encoded
name: encoded
logsource: {product: windows, category: process_creation}
detection:
  sel:
    Image|endswith: '\\\\powershell.exe'
    CommandLine|contains: ' -enc '
  filter: {User: admin}
  condition: sel and not filter
"""
EVENT = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\a\\powershell.exe"}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "good.yml").write_text(RULE)
    events = [{**EVENT, "CommandLine": "x -enc abc"}, {**EVENT, "CommandLine": "x"}, {**EVENT, "User": "admin"}]
    (tmp_path / "log.json").write_text("\n".join(json.dumps(event) for event in events))
    return tmp_path


def run(*words):
    return CliRunner().invoke(rules, list(map(str, words)))


@pytest.mark.requirement("INT-2")
def test_a_rule_is_tested_against_a_file_and_explains_itself(files):
    done = run("test", files / "rules" / "good.yml", files / "log.json")
    assert done.exit_code == 0, done.output
    assert "3 events, 0 lines rejected, 1 hit" in done.output
    assert "line 1" in done.output
    assert 'yes CommandLine contains " -enc "   it is "x -enc abc"' in done.output
    missed = run("test", files / "rules" / "good.yml", files / "log.json", "--line", "2")
    assert 'no  CommandLine contains " -enc "   it is "x"' in missed.output
    assert 'yes Image ends with "\\powershell.exe"' in missed.output
    told = json.loads(run("test", files / "rules" / "good.yml", files / "log.json", "--json").output)
    assert [(hit["rule"], hit["line"]) for hit in told["hits"]] == [("encoded", 1)]


def test_a_packed_log_is_tested_as_it_is_and_lines_are_numbered_through(files):
    log = files / "log.json.gz"
    log.write_bytes(gzip.compress((files / "log.json").read_bytes()))
    done = run("test", files / "rules" / "good.yml", log)
    assert done.exit_code == 0, done.output
    assert "3 events, 0 lines rejected, 1 hit" in done.output
    event = json.dumps({**EVENT, "CommandLine": "x -enc abc"})
    (files / "many.json").write_text("\n".join(["nonsense " + "x" * 200] * 20_000 + [event]))
    told = json.loads(run("test", files / "rules" / "good.yml", files / "many.json", "--json").output)
    assert [hit["line"] for hit in told["hits"]] == [20_001]
    assert told["rejected"] == 20_000


def test_where_nothing_matches_the_nearest_events_are_explained(files):
    (files / "log.json").write_text(json.dumps({**EVENT, "User": "admin"}) + "\n" + json.dumps({**EVENT, "Image": "b"}))
    done = run("test", files / "rules" / "good.yml", files / "log.json")
    assert done.exit_code == 1
    assert "0 hits" in done.output
    assert done.output.index("line 1") < done.output.index("line 2")


@pytest.mark.requirement("INT-2")
def test_a_folder_is_checked_and_every_file_that_cannot_be_compiled_is_told_with_its_reason(files):
    assert run("check", files / "rules").exit_code == 0
    (files / "rules" / "bad.yml").write_text("title: [")
    (files / "rules" / "far.yml").write_text(RULE.replace("encoded", "far").replace("|contains", "|expand"))
    done = run("check", files / "rules")
    assert done.exit_code == 1
    assert "compiled: 1 rule, 0 correlations, 0 filters" in done.output
    assert "invalid: bad.yml" in done.output
    assert "not supported: far.yml" in done.output
    assert "expand" in done.output
    told = json.loads(run("check", files / "rules", "--json").output)
    assert {one["file"] for one in told["refused"]} == {"bad.yml", "far.yml"}


def test_rules_of_a_folder_are_listed_beside_the_built_in_ones(files):
    listed = json.loads(run("list", "--rules-dir", files / "rules", "--json").output)["rules"]
    assert {"encoded", "event-log-cleared"} <= {one["name"] for one in listed}


@pytest.mark.requirement("INT-2")
def test_files_left_out_are_listed_and_the_doctor_says_what_to_mend(files, monkeypatch):
    folder = files / "rules"
    (folder / "bad.yml").write_text("title: [")
    (folder / "afar.yml").write_text(RULE.replace("encoded", "far").replace("|contains", "|expand"))
    listed = run("list", "--rules-dir", folder).output
    assert "encoded" in listed
    assert listed.index("left out, INVALID: bad.yml: file: not YAML") < listed.index(
        "left out, not supported: afar.yml"
    )
    monkeypatch.setenv("PHALANX_INTAKE_RULES_DIR", str(folder))
    checks = {one["name"]: one for one in json.loads(CliRunner().invoke(doctor, ["--json"]).output)}
    assert not checks["rules"]["ok"]
    assert "1 invalid file left out: bad.yml: file: not YAML" in checks["rules"]["found"]
    assert "phalanx intel rules check" in checks["rules"]["fix"]
    (folder / "bad.yml").unlink()
    checks = {one["name"]: one for one in json.loads(CliRunner().invoke(doctor, ["--json"]).output)}
    assert checks["rules"]["ok"], "what is not supported is nobody's to mend"
    monkeypatch.setenv("PHALANX_INTAKE_RULES_DIR", str(files / "nowhere"))
    checks = {one["name"]: one for one in json.loads(CliRunner().invoke(doctor, ["--json"]).output)}
    assert "not a folder" in checks["rules"]["found"]


CORRELATED = (
    RULE
    + """
---
title: Many encoded
name: many-encoded
correlation:
  type: event_count
  rules: [encoded]
  group-by: [Computer]
  timespan: 5m
  condition: {gte: 3}
"""
)


def test_matches_that_a_correlation_counts_are_no_hits_and_it_is_told_how_near_it_came(files):
    rule = files / "correlated.yml"
    rule.write_text(CORRELATED)

    def log(*seconds):
        events = [
            {
                **EVENT,
                "CommandLine": "x -enc abc",
                "Computer": "a",
                "UtcTime": f"2026-01-01 00:{at // 60:02}:{at % 60:02}",
            }
            for at in seconds
        ]
        nowhere = {**EVENT, "CommandLine": "x -enc abc", "UtcTime": "2026-01-01 00:00:00"}
        (files / "log.json").write_text("\n".join(json.dumps(event) for event in [*events, nowhere]))

    log(0, 10, 900)
    done = run("test", rule, files / "log.json")
    assert done.exit_code == 1
    assert "encoded matched 4 events, which are no hits: correlations count them" in done.output
    assert (
        "many-encoded was not completed: it asks for 3 events within 300 s; at most 2 came together, within 10 s of "
        "Computer 'a'; 1 event could not be counted, without Computer" in done.output
    )
    log(0, 10, 20)
    done = run("test", rule, files / "log.json")
    assert done.exit_code == 0
    assert "many-encoded was completed 1 time" in done.output
    told = json.loads(run("test", rule, files / "log.json", "--json").output)
    assert told["matched"] == {"encoded": 4}
    assert [(one["name"], one["completed"]) for one in told["correlations"]] == [("many-encoded", 1)]


@pytest.mark.parametrize(
    ("kind", "asks", "near"),
    [
        ("type: value_count\n  condition: {gte: 3, field: User}", "3 values of User", "at most 2"),
        ("type: temporal", "an event of each of one, two, three", "at most 2"),
        ("type: temporal_ordered", "an event of each of one, two, three, in this order", "at most 1"),
    ],
)
def test_every_kind_of_correlation_tells_how_near_it_came(files, kind, asks, near):
    single = "title: {0}\nname: {0}\nlogsource: {{category: process_creation}}\n"
    single += "detection: {{sel: {{User: {0}}}, condition: sel}}\n---\n"
    correlation = f"title: all\nname: all\ncorrelation:\n  rules: [one, two, three]\n  timespan: 1h\n  {kind}\n"
    rule = files / "kinds.yml"
    rule.write_text("".join(single.format(name) for name in ("one", "two", "three")) + correlation)
    events = [{**EVENT, "User": name, "UtcTime": f"2026-01-01 00:00:0{at}"} for at, name in enumerate(("three", "one"))]
    (files / "log.json").write_text("\n".join(map(json.dumps, events)))
    done = run("test", rule, files / "log.json")
    assert f"all was not completed: it asks for {asks} within 3600 s; {near} came together" in done.output


def test_a_correlation_alone_in_a_file_is_about_built_in_rules(files):
    rule = files / "alone.yml"
    rule.write_text(CORRELATED.partition("---")[2].replace("[encoded]", "[powershell-encoded-command]"))
    (files / "log.json").write_text(json.dumps({**EVENT, "CommandLine": f"powershell -enc {'QUJD' * 20}"}))
    done = run("test", rule, files / "log.json")
    assert done.exit_code == 1
    assert "many-encoded was not completed: it asks for 3 events within 300 s; none came; 1 event could" in done.output
    assert "powershell-encoded-command matched 1 event," in done.output


def test_groups_of_plug_ins_that_only_others_fill_are_nothing_to_mend():
    checks = {one["name"]: one for one in json.loads(CliRunner().invoke(doctor, ["--json"]).output)}
    for group in ("phalanx.policies", "phalanx.operations"):
        assert (checks[f"plug-ins {group}"]["ok"], checks[f"plug-ins {group}"]["fix"]) == (True, "")
    assert checks["plug-ins phalanx.devices"]["ok"]


def test_rules_that_are_too_many_are_one_check_that_failed(files, monkeypatch):
    def too_many(folder):
        raise LimitExceeded("rule files", maximum=1, seen=2)

    monkeypatch.setattr("phalanx.intel.load_rules", too_many)
    checks = {one["name"]: one for one in json.loads(CliRunner().invoke(doctor, ["--json"]).output)}
    assert not checks["rules"]["ok"]
    assert "rule files" in checks["rules"]["found"]
    assert checks["Python"]["ok"]


def test_a_folder_that_cannot_be_read_is_told(files, monkeypatch):
    folder, real = files / "rules", os.scandir
    (folder / "closed").mkdir()

    # Whoever runs the tests may be allowed everything.
    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listed, checked = run("list", "--rules-dir", folder), run("check", folder)
    for told in (listed.output, checked.output):
        assert "closed/: the folder cannot be read: Permission denied" in told
    assert (listed.exit_code, checked.exit_code) == (0, 1)
    config = files / "phalanx.toml"
    config.write_text(f"[intake]\nrules_dir = {json.dumps(str(folder))}\n")
    told = CliRunner().invoke(doctor, ["--config", str(config), "--data-dir", str(files / "data")]).output
    assert "closed/: the folder cannot be read" in " ".join(told.split())
