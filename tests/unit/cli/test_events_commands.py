"""`phalanx events`: several files, files that are broken off, and fields that are long."""

import gzip
import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._events import events
from phalanx.core import Unavailable
from phalanx.intel import BadLine

LINES = b"".join(b"line %d\n" % n for n in range(60_000))


@pytest.mark.requirement("INT-1")
def test_several_files_are_sent_one_after_the_other_and_told_apart(monkeypatch, tmp_path):
    sent = []

    def post(self, path, *, content, headers, **params):
        sent.append((content, headers["Idempotency-Key"]))
        return {"events": content.count(b"\n"), "duplicate": len(sent) > 2}

    monkeypatch.setattr(NodeClient, "post", post)
    files = [tmp_path / "one.log", tmp_path / "two.log"]
    for file, text in zip(files, ('{"a": 1}\n', '{"b": 1}\n{"b": 2}\n'), strict=True):
        file.write_text(text)
    told = CliRunner().invoke(events, ["send", *map(str, files)])
    assert told.exit_code == 0, told.output
    assert [content for content, _ in sent] == [b'{"a": 1}\n', b'{"b": 1}\n{"b": 2}\n']
    assert "one.log: 1 line\n" in told.output
    assert "3 lines accepted" in told.output
    assert "sending" not in told.output, "no bar where nobody looks"
    again = CliRunner().invoke(events, ["send", "--json", *map(str, files)])
    found = json.loads(again.output)
    assert (found["accepted"], found["already_there"], len(found["files"])) == (3, 3, 2)
    assert sent[2:] == sent[:2], "the same keys, so nothing is doubled"
    alone = CliRunner().invoke(events, ["send", "--json", str(files[0])])
    assert json.loads(alone.output) == {"accepted": 1, "already_there": 1}
    assert "(1 was there already)" in CliRunner().invoke(events, ["send", str(files[0])]).output


@pytest.fixture
def accepted(monkeypatch):
    """A node that takes everything, unless told to go away after so many requests; what it took."""
    taken = []

    def post(_, path, *, content, **__):
        if len(taken) == taken_at_most[0]:
            raise Unavailable("the node", "it went away")
        taken.append(content)
        return {"events": content.count(b"\n"), "duplicate": False}

    taken_at_most = [-1]
    monkeypatch.setattr(NodeClient, "post", post)
    return taken, taken_at_most


def test_what_was_accepted_before_ctrl_c_is_told(monkeypatch, tmp_path):
    def post(_, path, *, content, **__):
        if posts:
            raise KeyboardInterrupt
        posts.append(content)
        return {"events": content.count(b"\n"), "duplicate": False}

    posts = []
    monkeypatch.setattr(NodeClient, "post", post)
    (tmp_path / "long.log").write_bytes(LINES)
    told = send(tmp_path / "long.log")
    assert f"broken off: {posts[0].count(bytes([10])):,} lines accepted before it" in told.output


def send(path):
    return CliRunner().invoke(events, ["send", str(path), "--url", "http://node"])


def test_lines_before_the_damage_are_sent_and_the_rest_is_told(accepted, tmp_path):
    taken, _ = accepted
    packed = gzip.compress(LINES)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 4])
    result = send(tmp_path / "cut.gz")
    sent = b"".join(taken)
    n_lines = sent.count(b"\n")
    assert LINES.startswith(sent)
    assert n_lines > 1_000
    assert isinstance(result.exception, BadLine)
    assert f"broken off: {n_lines:,} lines accepted before it" in result.output


def test_a_node_that_goes_away_leaves_the_number_of_what_it_took(accepted, tmp_path):
    taken, taken_at_most = accepted
    taken_at_most[0] = 1
    (tmp_path / "whole.log").write_bytes(LINES)
    result = send(tmp_path / "whole.log")
    assert isinstance(result.exception, Unavailable)
    n_lines = taken[0].count(b"\n")
    assert f"broken off: {n_lines:,} lines accepted before it" in result.output


def test_fields_of_any_length_leave_the_list_a_list(monkeypatch):
    event = {"id": "e", "time_ns": 0, "log_source": "linux", "fields": {"message": "x" * 60_000, "pid": "1"}}
    monkeypatch.setattr(NodeClient, "pages", lambda *_, **__: iter([event]))
    shown = CliRunner().invoke(events, ["list", "--url", "http://node"]).output
    assert "pid=1" in shown
    assert len(shown) < 1_000


def test_one_event_is_shown_whole_with_what_its_view_leaves_out(monkeypatch):
    asked = []

    def get(_, path):
        asked.append(path)
        return {
            "log_source": "cef/firewall", "reader": "cef", "raw": "CEF:0|…", "fields": {"spt": "abc", "colour": "red"},
            "ocsf": {"class_name": "Network Activity", "class_uid": 4001, "unmapped": {"colour": "red", "spt": "abc"}},
            "lossy": {"spt": "src_endpoint.port cannot hold it"},
        }  # fmt: skip

    monkeypatch.setattr(NodeClient, "get", get)
    told = CliRunner().invoke(events, ["show", "an/id"])
    assert told.exit_code == 0, told.output
    assert asked == ["/v1/events/an%2Fid"]
    for text in ("cef/firewall, read as cef", "colour=red", "Network Activity (4001)", "unmapped: colour, spt",
                 "spt (src_endpoint.port cannot hold it)"):  # fmt: skip
        assert text in told.output
