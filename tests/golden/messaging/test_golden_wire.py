"""The bytes of an envelope, a frame and a dead letter, as first written: other processes and stores have them.

After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from phalanx.core import TenantId, TraceId, decode, encode
from phalanx.messaging import DeadLetter, Envelope, Kind, Marking, decode_envelope, encode_envelope
from phalanx.messaging._frames import Frame, Item, Settled, decode_frame, encode_frame

FILES = Path(__file__).parent / "files"
ENVELOPE = Envelope(
    v=1, kind=Kind.INTELLIGENCE, origin="019b76da-a87b-7076-aacb-453d5e8a11ce", number=77, sender="hq.acme/hunter-1.1",
    to=("lab.acme/analyst-1.1", "#role:hunter"), body=b"\x00\xffwhat was seen", at_ns=1_767_225_600_123_456_789,
    deadline_ns=1_767_225_630_123_456_789, tenant=TenantId("acme"), marking=Marking.AMBER, audience=("org:other",),
    organisation="acme", trace=TraceId("019b76da-a87b-7076-aacb-453d5e800003"), reply_to="019b76da.3", epoch=5, hops=8,
    proof=b"proof",
)  # fmt: skip
FRAME = Frame(
    v=1, origin=ENVELOPE.origin, floor=12, items=(Item(12, b"one"), Item(13, b"two", 1, 2, again=True)), asked=(9, 10),
    stream="019b76da-a87b-7076-aacb-453d5e8a22ce", complete=40, ranges=((42, 44), (50, 50)),
    settled=(Settled(41, 2, (("lab.acme/x", 4),)),),
)  # fmt: skip
SECOND = msgspec.structs.replace(
    FRAME, v=2, items=(*FRAME.items, Item(14, ENVELOPE)), taken=((30, 38), (40, 40))
)  # fmt: skip
LETTER = DeadLetter(
    id="019b76da-a87b-7076-aacb-453d5e8a11cf", tenant=TenantId("acme"), trace=ENVELOPE.trace,
    at_ns=1_767_225_640_000_000_000, recipient="lab.acme", outcome="unreachable", sender=ENVELOPE.sender,
    about="intelligence", body_bytes=15, envelope=encode_envelope(ENVELOPE),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "write", "read"),
    [
        ("envelope", ENVELOPE, encode_envelope, decode_envelope),
        ("frame-2", SECOND, encode_frame, decode_frame),
        ("dead-letter", LETTER, encode, lambda data: decode(data, DeadLetter)),
    ],
)
def test_it_is_written_and_read_as_it_always_was(name, value, write, read):
    file = FILES / f"{name}.msgpack"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.write_bytes(write(value))
    assert write(value) == file.read_bytes()
    assert read(file.read_bytes()) == value


def test_a_frame_of_the_first_version_is_read():
    assert decode_frame((FILES / "frame.msgpack").read_bytes()) == FRAME
