"""The demo's stream: what it promises of itself, and how well the built-in rules see through it."""

import ipaddress
import re
from collections import Counter

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, InvalidInput, iso_from_ns
from phalanx.demo import DEFAULT_START_NS, HOSTS, Intrusion, LineId, address_book, event_stream
from phalanx.intel import load_rules, read_chunk

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
EXAMPLE_NETWORKS = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
STAGES = {
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
}


def read(chunk):
    return read_chunk(
        chunk.data, reader=chunk.reader_hint, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=DEFAULT_START_NS
    )


def test_the_same_seed_gives_the_same_stream_and_another_one_another():
    one, again, other = Intrusion(7), Intrusion(7), Intrusion(8)
    assert list(one.chunks()) == list(again.chunks())
    assert one.truth == again.truth
    assert list(one.chunks()) != list(other.chunks())


def test_size_and_order_are_as_promised():
    intrusion = Intrusion(7)
    chunks = list(intrusion.chunks())
    assert 5_000 < intrusion.n_events < 7_000
    assert intrusion.n_events == sum(len(chunk.lines) for chunk in chunks)
    assert 50 <= len(intrusion.truth) <= 80
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    offsets = [chunk.at_offset_s for chunk in chunks]
    assert offsets == sorted(offsets)
    assert 0 < offsets[0] <= 2.0
    assert offsets[-1] == 600.0
    assert {chunk.reader_hint for chunk in chunks} == {"windows", "syslog", "zeek"}
    assert len(HOSTS) == 25


def test_every_line_is_read_by_the_reader_that_is_named():
    rows = 0
    for chunk in Intrusion(3).chunks():
        out = read(chunk)
        assert not out.rejected
        rows += out.events
        assert {batch.reader for batch in out.batches} == {chunk.reader_hint}
        for batch in out.batches:
            # Zeek writes a connection when it ends, under the time it began; the others write at once.
            assert batch.log_source.service == "conn" or list(batch.times_ns) == sorted(batch.times_ns)
            for time_ns in batch.times_ns:
                # Nothing is delivered before it happened; what takes long is delivered at the end at the latest.
                assert time_ns <= DEFAULT_START_NS + (chunk.at_offset_s + 120) * 1_000_000_000
                assert iso_from_ns(time_ns).startswith("2026-03-02")
    assert rows == Intrusion(3).n_events


def test_only_names_and_addresses_for_examples_appear():
    text = b"\n".join(chunk.data for seed in (1, 2) for chunk in Intrusion(seed).chunks()).decode()
    addresses = set(re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", text))
    assert len(addresses) > 30
    for address in addresses:
        assert any(ipaddress.ip_address(address) in network for network in EXAMPLE_NETWORKS), address
    names = set(re.findall(r'"(?:query|host|QueryName|Hostname)":"([^"]+)"', text))
    assert len(names) > 30
    assert all(name.endswith(".example") for name in names)


def test_the_truth_is_not_in_the_events():
    intrusion = Intrusion(7)
    deeds = set(intrusion.truth.values())
    assert {deed.stage for deed in deeds} == STAGES
    text = b"\n".join(chunk.data for chunk in intrusion.chunks())
    for deed in deeds:
        assert deed.technique.encode() not in text
        assert deed.stage.encode() not in text
    assert {deed.host for deed in deeds} <= {host.name for host in HOSTS}


def test_background_only_has_no_intrusion_in_it():
    calm = Intrusion(7, background_only=True)
    assert not calm.truth
    whole = Counter(line for chunk in Intrusion(7).chunks() for line in chunk.lines)
    assert calm.n_events == Intrusion(7).n_events - len(Intrusion(7).truth)
    text = b"\n".join(chunk.data for chunk in calm.chunks())
    assert b"203.0.113." not in text
    assert b"svc-backup" not in text
    assert whole


def test_length_and_rate_can_be_set():
    intrusion = Intrusion(1, length_s=60.0, events_per_s=50.0, chunk_s=1.0)
    assert 2_500 < intrusion.n_events < 3_700
    assert max(chunk.at_offset_s for chunk in intrusion.chunks()) == 60.0
    assert {deed.stage for deed in intrusion.truth.values()} == STAGES


@pytest.mark.parametrize(
    "wrong", [{"length_s": 0.5}, {"events_per_s": 0}, {"events_per_s": 5_000}, {"chunk_s": 0.0}, {"chunk_s": 900.0}]
)
def test_parameters_out_of_range_are_refused_by_name(wrong):
    (field,) = wrong
    with pytest.raises(InvalidInput, match=field):
        Intrusion(1, **wrong)


def test_the_event_stream_has_as_many_lines_as_asked_for():
    lines = list(event_stream(5, 3_000))
    assert len(lines) == 3_000
    assert lines == list(event_stream(5, 3_000))
    assert lines[:100] != list(event_stream(6, 100))
    out = read_chunk(
        b"\n".join(lines), tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=DEFAULT_START_NS + 3_600 * 10**9
    )
    assert out.events == 3_000
    assert {batch.reader for batch in out.batches} == {"windows", "syslog", "zeek"}


def test_the_address_book_knows_hosts_by_address_and_short_name():
    book = address_book()
    assert book["192.0.2.107"] == book["ws-07"] == "ws-07.corp.example"
    assert len(book) == 2 * len(HOSTS)


@pytest.mark.requirement("INT-2")
def test_the_builtin_rules_find_every_stage_with_few_false_alarms():
    rules = load_rules()
    true = false = lines = 0
    for seed in range(4):
        intrusion = Intrusion(seed)
        found = {}
        for chunk in intrusion.chunks():
            for batch in read(chunk).batches:
                for hit in rules.evaluate(batch):
                    line = LineId(chunk.number, batch.rows[hit.place])
                    if line in intrusion.truth:
                        found.setdefault(line, set()).add(hit.rule.name)
                    else:
                        false += 1
        stages = {intrusion.truth[line].stage for line in found}
        assert stages == STAGES, seed
        assert len(found) / len(intrusion.truth) > 0.65, seed
        hosts = {intrusion.truth[line].host.partition(".")[0] for line in found}
        assert hosts == {"ws-07", "fs-01", "app-01", "dc-01", "web-01"}
        true += len(found)
        lines += intrusion.n_events
    assert true / (true + false) > 0.95
    assert false / lines < 0.001
    # The background is made to fool rules; one that nothing can fool proves nothing.
    assert false > 0


def test_every_builtin_rule_finds_something():
    rules = load_rules()
    found = set()
    for chunk in Intrusion(7).chunks():
        for batch in read(chunk).batches:
            found |= {hit.rule.name for hit in rules.evaluate(batch)}
    # What the node itself sees is not in anybody's logs.
    assert found == {name for name, rule in rules.rules.items() if rule.log_source.product != "phalanx"}
