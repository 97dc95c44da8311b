"""What is written as no position of a source is told by the source, without asking its peer."""

import asyncio
import json

import pytest

from phalanx.adapters.connectors import file_source, http_poll_source, kafka_source, nats_source
from phalanx.core import InvalidInput
from phalanx.testing.delivery import context_of

pytestmark = pytest.mark.requirement("INT-5")
AT = {"inode": 1, "offset": 9, "begins": "ab", "begins_bytes": 9}
SOURCES = {
    "file": (file_source, {"path": "/nowhere/app.log"}),
    "kafka": (kafka_source, {"brokers": "127.0.0.1:1", "topic": "events", "security": "plaintext"}),
    "nats": (nats_source, {"url": "nats://127.0.0.1:1", "stream": "EVENTS"}),
    "http": (http_poll_source, {"url": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize(
    ("name", "position", "taken"),
    [
        ("file", json.dumps(AT), True), ("file", json.dumps(AT | {"offset": -1}), False), ("file", "seventeen", False),
        ("file", json.dumps(AT | {"inode": "x"}), False), ("file", '{"offset": 0}', False), ("file", '{"0": 5}', False),
        ("kafka", '{"0": 5, "12": 0}', True), ("kafka", '{"0": -1}', False), ("kafka", '{"0": "5"}', False),
        ("kafka", '{"zero": 5}', False), ("kafka", "5", False), ("kafka", "seventeen", False),
        ("nats", "17", True), ("nats", "17@2026-01-01T00:00:00+00:00", True), ("nats", "@2026", False),
        ("nats", "-3", False), ("nats", "seventeen", False), ("nats", "1" * 30, False),
        ("http", "a-cursor", True),
    ],
)  # fmt: skip
def test_a_source_knows_what_is_none_of_its_positions(name, position, taken, tmp_path):
    async def main():
        make, options = SOURCES[name]
        source = make(context_of(tmp_path, options, name="in"))
        try:
            if taken:
                source.check(position)
            else:
                with pytest.raises(InvalidInput, match="position: is no "):
                    source.check(position)
        finally:
            await source.close()

    asyncio.run(main())
