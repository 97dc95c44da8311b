"""`phalanx intel rules`: listing, checking and testing rules without a node."""

import gzip
import json

import pytest
from click.testing import CliRunner

from phalanx.cli._intel_rules import rules

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
    assert "3 events, 0 lines rejected, 1 hits" in done.output
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
    assert "3 events, 0 lines rejected, 1 hits" in done.output
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
    assert "compiled: 1 rules, 0 correlations, 0 filters" in done.output
    assert "invalid: bad.yml" in done.output
    assert "not supported: far.yml" in done.output
    assert "expand" in done.output
    told = json.loads(run("check", files / "rules", "--json").output)
    assert {one["file"] for one in told["refused"]} == {"bad.yml", "far.yml"}


def test_rules_of_a_folder_are_listed_beside_the_built_in_ones(files):
    listed = json.loads(run("list", "--rules-dir", files / "rules", "--json").output)["rules"]
    assert {"encoded", "event-log-cleared"} <= {one["name"] for one in listed}
