"""`phalanx events` on what a node answered."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._events import events


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
    assert "one.log: 1 lines" in told.output
    assert "3 lines accepted" in told.output
    again = CliRunner().invoke(events, ["send", "--json", *map(str, files)])
    found = json.loads(again.output)
    assert (found["accepted"], found["already_there"], len(found["files"])) == (3, 3, 2)
    assert sent[2:] == sent[:2], "the same keys, so nothing is doubled"
    alone = CliRunner().invoke(events, ["send", "--json", str(files[0])])
    assert json.loads(alone.output) == {"accepted": 1, "already_there": 1}
