"""The bytes of a mission, as they were first written: stored missions must stay readable.

After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from phalanx.agents import Mission, MissionStatus
from phalanx.core import Severity, TenantId, TraceId, decode, decode_json, encode, encode_json

FILES = Path(__file__).parent / "files"
MISSION = Mission(
    id="019b76da-a87b-7076-aacb-453d5e8a11ce",
    tenant=TenantId("acme"),
    trace=TraceId("019b76da-a87b-7076-aacb-453d5e800003"),
    at_ns=1_767_225_600_123_456_789,
    skill="triage",
    subject="019b76da-a87b-7076-aacb-453d5e8f1d10",
    case="ws-1@2026-01-01",
    severity=Severity.HIGH,
    status=MissionStatus.ASSIGNED,
    agent="analyst-1.2",
    attempts=2,
    note="ValueError: not the first time",
    identity="6f1d",
    given_ns=1_767_225_601_000_000_000,
    deadline_ns=1_767_225_700_000_000_000,
    order="019b76da-a87b-7076-aacb-453d5e8f2222",
    origin="lab.acme",
    taken_by="hq.acme",
)


@pytest.mark.parametrize(("form", "write", "read"), [("msgpack", encode, decode), ("json", encode_json, decode_json)])
def test_a_mission_is_written_and_read_as_it_always_was(form, write, read):
    file = FILES / f"mission.{form}"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.write_bytes(write(MISSION))
    assert write(MISSION) == file.read_bytes()
    assert read(file.read_bytes(), Mission) == MISSION


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_mission_of_the_second_version_is_still_read(form, read):
    old = read((FILES / f"mission-2.{form}").read_bytes(), Mission)
    assert old == msgspec.structs.replace(MISSION, origin="", taken_by="")


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_mission_of_the_first_version_is_still_read(form, read):
    old = read((FILES / f"mission-1.{form}").read_bytes(), Mission)
    assert old == msgspec.structs.replace(
        MISSION, identity="", given_ns=0, deadline_ns=0, order="", origin="", taken_by=""
    )
