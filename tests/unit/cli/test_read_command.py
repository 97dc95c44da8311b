"""`phalanx intel read`: files as a node would read them."""

import gzip
import json

import pytest
from click.testing import CliRunner

from phalanx.cli.intel._read import read

pytestmark = pytest.mark.requirement("INT-1")
SYSMON = (
    '{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Image":"C:\\\\a.exe","Company":"x","ProcessId":"q",'
    '"UtcTime":"2026-03-02 08:29:00.250"}'
)
CEF = "CEF:0|v|p|1|c|n|5|src=10.0.0.1 dst=10.0.0.2 colour=red"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(f"{SYSMON}\n{SYSMON}\nnonsense 17\n".encode()))
    (tmp_path / "b.log").write_text(f"{CEF}\nnonsense 18\n")
    (tmp_path / "c.cap").write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(30))
    return tmp_path


def run(*arguments, **options):
    return CliRunner().invoke(read, [str(one) for one in arguments], **options)


def test_every_line_is_counted_and_what_is_no_log_is_said(folder):
    told = json.loads(run(folder, "--json", "--stats").stdout)
    assert [(one["kind"], one["formats"]) for one in told["files"]] == [
        ("lines", {"windows": 2}),
        ("lines", {"cef": 1}),
    ]
    assert [one["reason"].rpartition(" is ")[2] for one in told["refused"]] == ["a packet capture"]
    total = told["total"]
    assert (total["lines"], total["events"], total["rejected"]) == (5, 3, 2)
    (reason,) = total["reasons"]
    assert (reason["lines"], reason["examples"]) == (2, ["nonsense 17", "nonsense 18"])
    process, network = total["classes"]["Process Activity"], total["classes"]["Network Activity"]
    assert process["unmapped"] == {"Company": 2, "ProcessId": 2, "UtcTime": 2}
    assert process["lossy"] == {"ProcessId: process.pid cannot hold it": 2}
    assert network["unmapped"]["colour"] == 1


def test_people_see_the_same(folder):
    shown = run(folder, "--stats").output
    assert "5 lines: 3 events, 2 rejected, 0 of headers" in shown
    assert "such as nonsense 17" in shown
    assert "2 Process Activity: unmapped Company (2), ProcessId (2), UtcTime (2)" in shown


def test_a_format_can_be_forced_and_standard_input_read():
    told = json.loads(run("-", "--format", "leef", "--json", input=CEF).stdout)
    assert told["total"]["rejected"] == 1
    assert run("-", "--format", "nothing", input="x").exit_code != 0


def test_nothing_that_could_be_read_is_a_failure(tmp_path):
    assert run(tmp_path / "absent").exit_code == 1
