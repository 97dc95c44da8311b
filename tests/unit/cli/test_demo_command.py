"""`phalanx demo`: what its log says among what it tells."""

import pytest

from phalanx.cli.node._demo import _told
from phalanx.telemetry import Level, LogRecord


@pytest.mark.parametrize(
    ("level", "event", "fields", "line"),
    [
        (
            Level.ERROR, "somebody touched the ssh decoy",
            {"alert": "urgent", "room": "deception", "peer": "127.0.0.107"},
            "deception  somebody touched the ssh decoy (peer 127.0.0.107)",
        ),
        (
            Level.ERROR, "a job failed", {"room": "devices", "error": "\x1b[2J"},
            "devices    error: a job failed (error \\x1b[2J)",
        ),
        (Level.WARNING, "a slow disk", {}, "node       warning: a slow disk"),
    ],
)  # fmt: skip
def test_a_touched_decoy_is_the_story_and_a_failure_is_told_as_one(capsys, level, event, fields, line):
    _told(LogRecord(at_ns=1, level=level, event=event, fields=fields))
    assert capsys.readouterr().err == f"{line}\n"
