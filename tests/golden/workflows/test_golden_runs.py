"""The bytes of a run and of a step's result, as they were first written: stored ones must stay readable.

After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import os
from pathlib import Path

import pytest

from phalanx.core import (
    Baseline,
    Origin,
    Provenance,
    TenantId,
    TraceId,
    UnknownField,
    decode,
    decode_json,
    encode,
    encode_json,
)
from phalanx.workflows import Run, StepKind, StepResult

FILES = Path(__file__).parent / "files"
RUN = Run(
    id="019b76da-a87b-7076-aacb-453d5e8a11ce",
    tenant=TenantId("acme"),
    trace=TraceId("019b76da-a87b-7076-aacb-453d5e800003"),
    at_ns=1_767_225_600_123_456_789,
    template="incident-triage",
    shape="5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    inputs={"case": "ws-1@2026-01-01", "finding": "019b76da-a87b-7076-aacb-453d5e8f1d10"},
    seed=(1 << 63) - 1,
)
RESULT = StepResult(
    id="019b76da-a87b-7076-aacb-453d5e8a11cf",
    tenant=RUN.tenant,
    trace=RUN.trace,
    at_ns=RUN.at_ns + 2_000,
    run=RUN.id,
    step="estimate",
    step_kind=StepKind.QUANTUM,
    output={"estimate": 0.4375, "interval": [0.43, 0.445], "method": "iterative amplitude estimation"},
    provenance=(
        Provenance(
            origin=Origin.SIMULATED,
            device="local.statevector",
            circuits=("a17a9e1b7f06bd85a40aa9c9cfbeec4b8ba2fb3476718c99be3c0db50274e998",),
            shots=672,
            seed=7,
            baselines=(Baseline(method="exact", value=0.4372, error=0.0, cost=32, cost_unit="outcomes summed"),),
        ),
    ),
    started_ns=RUN.at_ns + 1_000,
    finished_ns=RUN.at_ns + 2_000,
    degraded="",
)


@pytest.mark.parametrize("record", [RUN, RESULT], ids=["run", "step-result"])
@pytest.mark.parametrize(("form", "write", "read"), [("msgpack", encode, decode), ("json", encode_json, decode_json)])
def test_it_is_written_and_read_as_it_always_was(record, form, write, read):
    file = FILES / f"{type(record).__struct_config__.tag}.{form}"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.write_bytes(write(record))
    assert write(record) == file.read_bytes()
    assert read(file.read_bytes(), type(record)) == record


@pytest.mark.parametrize("record", [RUN, RESULT], ids=["run", "step-result"])
def test_an_unknown_field_is_refused(record):
    with pytest.raises(UnknownField):
        decode_json(encode_json(record)[:-1] + b',"extra":1}', type(record))


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_step_result_of_the_first_version_is_still_read(form, read):
    assert read((FILES / f"step-result-1.{form}").read_bytes(), StepResult) == RESULT
