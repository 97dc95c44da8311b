"""`phalanx intel search`: what of an event is shown, and what is said where nothing is found."""

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient, Refused
from phalanx.cli._exits import Exit, exit_for
from phalanx.cli.intel._search import search
from phalanx.intel.archive import InvalidQuery

FIELDS = {
    "AccountName": "SYSTEM", "CertIssuerName": "", "CommandLine": "rundll32.exe comsvcs.dll MiniDump",
    "Channel": "Sysmon",
    "CurrentDirectory": "C:\\", "EventTime": "2026-03-02", "EventID": 1, "Hostname": "ws-07", "Image": "rundll32.exe",
    "IpAddress": "-", "User": "CORP\\kim",
}  # fmt: skip
EMPTY = {
    "total": 0, "groups": [], "bars": [], "items": [], "complete": True, "next": "", "query": "", "segments": 0,
    "skipped": 0, "took_ms": 0.1,
}  # fmt: skip


def told(monkeypatch, *answers, arguments=()):
    asked = []

    def post_json(_, path, wanted, **__):
        asked.append(wanted)
        return answers[len(asked) - 1]

    monkeypatch.setattr(NodeClient, "post_json", post_json)
    result = CliRunner().invoke(search, [*arguments, "--url", "http://node"])
    assert result.exit_code == 0, result.output
    return result.output, asked


@pytest.mark.requirement("INT-3")
def test_who_and_what_of_an_event_come_first_and_what_is_empty_is_left_out(monkeypatch):
    row = {"time_ns": 10**18, "id": "e", "log_source": "windows", "fields": FIELDS}
    output, _ = told(monkeypatch, {**EMPTY, "total": 1, "items": [row]})
    shown = (
        "Hostname=ws-07, User=CORP\\kim, AccountName=SYSTEM, Image=rundll32.exe, CommandLine=rundll32.exe comsvcs.dll"
    )
    assert shown in output
    assert "CertIssuerName" not in output
    assert "IpAddress" not in output
    assert output.rstrip().endswith("+3"), "of what says something, what is not shown is counted"


def test_nothing_in_a_time_says_how_much_there_is_of_others(monkeypatch):
    output, asked = told(monkeypatch, EMPTY, {**EMPTY, "total": 6_434}, arguments=["host:ws-07", "--last", "24h"])
    assert output == "nothing in the last 24h; 6,434 events of other times: ask without --last\n"
    assert [(one["query"], one["last"], one["limit"]) for one in asked] == [
        ("host:ws-07", "24h", 100),
        ("host:ws-07", "", 0),
    ]
    output, asked = told(monkeypatch, EMPTY, EMPTY, arguments=["--last", "24h"])
    assert output == "nothing is found\n"


def test_a_question_that_is_not_understood_is_a_wrong_argument_wherever_that_is_noticed():
    there = InvalidQuery("foo:(", 6, "here a value is missing")
    assert exit_for(there) is exit_for(Refused(there.message, code=there.code)) is Exit.USAGE
