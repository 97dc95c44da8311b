"""Whatever the bytes: no reader raises, and every line is accounted for."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, BatchId, encode_json
from phalanx.intel import READERS, RuleSet, load_rules, ocsf_view, read_chunk
from phalanx.intel._limits import MAX_SLICE_BYTES, MAX_SLICE_ROWS
from phalanx.intel.reading._lines import slices, split_lines

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
RULES: RuleSet = load_rules()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def words(text):
    return st.sampled_from(text.split())


telling_names = words(
    "EventID Channel SourceName UtcTime EventType winlog event_data channel event_id ts _path id.orig_h query "
    "conn_state Hostname Image CommandLine qtype_name GrantedAccess TargetImage method "
    "log_name source_name user_data timestamp event_type eventTime eventName eventSource Records @timestamp ecs "
    "event.category event.type event class_uid time activity_id device.os.type host.os.type"
)
telling_values = st.sampled_from(
    ["Security", "Microsoft-Windows-Sysmon/Operational", 1, 10, "4624", 4688, 1772443800.5, "conn", "dns", "0x1010"]
) | st.sampled_from(
    ["2026-03-02T08:29:00Z", "alert", "process", ["process"], {"category": "process"}, 1007, 3002, 1_772_440_140_000]
)
records = st.dictionaries(telling_names | st.text(max_size=5), telling_values | json_values, max_size=8).map(
    msgspec.json.encode
)
syslog_words = words(
    "<34> <13> <999> 1 - Mar 2 09:00:00 2026-03-02T09:00:00Z web-01 sshd[1]: sudo: CRON[2]: Failed password for "
    "invalid user from port ssh2 203.0.113.9 22 Accepted : TTY=x ; PWD=/ ; USER=root COMMAND=id (root) CMD (x) [a b] "
    "type=SYSCALL msg=audit(1.2:3): node=n a=b"
)
syslog_lines = st.lists(syslog_words | st.text(max_size=4), max_size=14).map(lambda words: " ".join(words).encode())
headed_parts = words(
    r"CEF:0 CEF:1 CEF:9 LEEF:1.0 LEEF:2.0 LEEF:3 | | | | | \\| \\= ^ x5E xD800 0x09 = src= dst=10.0.0.1 rt= devTime= "
    "Mar 2 2026 08:29:00 GMT+1 1772440140000 devTimeFormat= yyyy-MM-dd'T'HH:mm:ss EEE E' cef.version= <134>Mar"
) | st.sampled_from(["\t", "v|p|1|c|n|5|", "v|p|1|c|"])
headed_lines = st.lists(headed_parts | st.text(max_size=4), max_size=16).map(lambda parts: " ".join(parts).encode())
lines = st.one_of(st.binary(max_size=80), records, syslog_lines, headed_lines)
chunks = st.lists(lines, max_size=12).map(b"\n".join)


@settings(max_examples=120, deadline=None)
@given(chunks, st.sampled_from(READERS), st.integers(0, 4_000_000_000))
def test_every_line_is_an_event_or_a_reject(data, reader, accepted_s):
    out = read_chunk(data, reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=accepted_s * 1_000_000_000)
    rows = [row for batch in out.batches for row in batch.rows] + [rejected.row for rejected in out.rejected]
    lines = split_lines(data)
    assert sorted(rows) == list(range(len(lines)))
    for batch in out.batches:
        for event in batch:
            assert event.time_ns >= 0
            assert event.raw == lines[event.batch.rows[event.index]]
            decoded = msgspec.json.decode(encode_json(ocsf_view(event)))
            assert decoded["metadata"]["uid"] == event.id
        RULES.evaluate(batch)
    assert all(rejected.reason for rejected in out.rejected)


@given(
    st.lists(st.sampled_from([1, 20, 2_000, 60_000, MAX_SLICE_BYTES + 1]).map(b"x".__mul__), max_size=60),
    st.sampled_from([7, MAX_SLICE_ROWS]),
)
@settings(max_examples=50, deadline=None)
def test_slices_are_the_lines_in_order(lines, most):
    taken = [(first, list(part)) for first, part in slices(lines, most=most)]
    assert [line for _, part in taken for line in part] == lines
    at = 0
    for first, part in taken:
        assert first == at
        assert len(part) <= most
        assert sum(map(len, part)) <= MAX_SLICE_BYTES or len(part) == 1
        at += len(part)
