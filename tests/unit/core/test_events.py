"""Event batches: columns of equal length, rows as a view."""

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Circuit, EventBatch, LogSource, event_id

BATCH = BatchId("019b76da-a87b-7e5f-a78e-cd8b0e000000")


def batch(**changes):
    values = {
        "tenant": DEFAULT_TENANT,
        "batch": BATCH,
        "log_source": LogSource("windows", "process_creation", "sysmon"),
        "reader": "windows-json",
        "accepted_at_ns": 5,
        "rows": (3, 9),
        "times_ns": (1, 2),
        "raw": (b"first", b"second"),
        "columns": {"Image": ("cmd.exe", None), "ProcessId": (7, 0)},
    }
    return EventBatch(**values | changes)


def test_an_event_is_a_row_of_its_batch():
    first, second = batch()
    assert (first.id, first.time_ns, first.raw) == (event_id(BATCH, 3), 1, b"first")
    assert second.id == event_id(BATCH, 9)
    assert first.fields() == {"Image": "cmd.exe", "ProcessId": 7}
    assert second.fields() == {"ProcessId": 0}, "absent is not zero"
    assert (second.get("Image"), second.get("ProcessId"), second.get("image")) == (None, 0, None)


def test_a_batch_has_columns_under_the_sources_own_names():
    made = batch()
    assert len(made) == 2
    assert made.columns["Image"] == ("cmd.exe", None)
    assert "image" not in made.columns
    assert len(batch(rows=(), times_ns=(), raw=(), columns={})) == 0


@pytest.mark.parametrize("changes", [{"rows": (1,)}, {"raw": (b"x",)}, {"columns": {"Image": ("cmd.exe",)}}])
def test_uneven_columns_are_a_programming_error(changes):
    with pytest.raises(AssertionError):
        batch(**changes)


def test_a_log_source_reads_as_its_named_parts():
    assert str(LogSource("windows", "", "sysmon")) == "windows/sysmon"
    assert str(LogSource()) == ""


def test_equal_circuits_have_equal_digests():
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] q;\nh q[0];\n'
    made = Circuit.from_canonical(text, 1)
    assert made == Circuit.from_canonical(text, 1)
    # SHA-256 of the text, as `sha256sum` computes it.
    assert made.digest == "b0b1111a0363f9d90a405a33fbe23352771e64a85909ebb91758f8d82ecf6e60"
    assert Circuit.from_canonical(text + "x q[0];\n", 1).digest != made.digest
