"""What the log of a NATS server says, line by line."""

import pytest

from phalanx.adapters.nats._server import log_line


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("[7] [INF] Server is ready\n", "INF", "Server is ready"),
        ("[7] [INF]  Listening on 127.0.0.1:4222\n", "INF", "Listening on 127.0.0.1:4222"),
        ("[7] [INF] \n", "INF", ""),
        ("[7] [ERR] address already in use\n", "ERR", "address already in use"),
        ("nats-server: unknown flag\n", "WRN", "nats-server: unknown flag"),
    ],
)  # fmt: skip
def test_a_line_is_trouble_or_none(line, level, text):
    assert log_line(line) == (level, text)
