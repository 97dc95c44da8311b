"""Harvesting: peers that gather ciphertext are told, with which of it is protected; what only looks like it is not."""

import random

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource, TenantId, event_id, iso_from_ns
from phalanx.intel import MAX_DETECTOR_STATE_BYTES
from phalanx.intel.signs import COLLECTED, COPIED, MIRRORED, HarvestDetector
from phalanx.intel.signs._flows import flows, handshakes

DAY_S = 86_400
SINK = "203.0.113.66"
SOURCES = {
    "zeek": LogSource("zeek", "firewall", "conn"), "suricata": LogSource("suricata", "firewall", "flow"),
    "ocsf": LogSource("ocsf", "", "ocsf"),
}  # fmt: skip
pytestmark = pytest.mark.requirement("INT-7")


def batch_of(source, rows, number=0, tenant=DEFAULT_TENANT):
    """Rows are field by name, with the time in seconds under ``at``."""
    names = sorted({name for row in rows for name in row} - {"at"})
    batch = BatchId(f"{number:08d}-0000-7000-8000-000000000000".replace("-", "").ljust(36, "0"))
    return EventBatch(
        tenant, batch, source, source.product, 0, range(len(rows)), [int(row["at"] * 1e9) for row in rows],
        [b""] * len(rows), {name: [row.get(name) for row in rows] for name in names},
    )  # fmt: skip


def flow(client, server, out, back, at, port=443, kind="zeek", **more):
    """One that began a second before it ended ``at``."""
    if kind == "zeek":
        return {
            "at": at - 1, "duration": 1.0, "id.orig_h": client, "id.resp_h": server, "id.resp_p": port, "proto": "tcp",
            "orig_bytes": out, "resp_bytes": back, **more,
        }  # fmt: skip
    if kind == "suricata":
        return {
            "at": at + 60, "flow.end": iso_from_ns(int(at * 1e9)), "src_ip": client, "dest_ip": server,
            "dest_port": port, "proto": "TCP", "flow.bytes_toserver": out, "flow.bytes_toclient": back, **more,
        }  # fmt: skip
    return {
        "at": at - 1, "class_uid": 4001, "end_time": int(at * 1e3), "src_endpoint.ip": client,
        "dst_endpoint.ip": server, "dst_endpoint.port": port, "connection_info.protocol_name": "tcp",
        "traffic.bytes_out": out, "traffic.bytes_in": back, **more,
    }  # fmt: skip


def talks(*agreed):
    """Handshakes as Zeek tells of them: client, server, group, version."""
    return batch_of(
        LogSource("zeek", "", "ssl"),
        [
            {"at": 1, "id.orig_h": client, "id.resp_h": server, "id.resp_p": 443, "curve": group, "version": version}
            for client, server, group, version in agreed
        ],
    )


def copied(rng, n=10, servers=5, kind="zeek", off=0.0):
    """Sessions with servers, and of each a flow to the sink that has its volume, ``off`` by a part."""
    rows = []
    for number in range(n):
        at, out, back = 1_000 + 20 * number, rng.randrange(80_000, 900_000), rng.randrange(100_000, 9_000_000)
        volume = int((out, back, out + back)[number % 3] * (1 + off))
        rows.append(flow("10.0.0.5", f"198.51.100.{number % servers}", out, back, at, kind=kind))
        rows.append(flow("10.0.0.1", SINK, volume, 300, at + 2, port=9_000, kind=kind))
        # The copy may be told before what it is of.
        if number % 2:
            rows[-1], rows[-2] = rows[-2], rows[-1]
    return rows


@pytest.mark.parametrize("kind", list(SOURCES))
def test_sessions_that_are_copied_are_told_with_what_protects_them(kind):
    detector = HarvestDetector()
    detector.evaluate(talks(
        ("10.0.0.5", "198.51.100.0", "X25519MLKEM768", "TLSv13"), ("10.0.0.5", "198.51.100.1", "x25519", "TLSv13"),
        ("10.0.0.5", "198.51.100.2", None, "TLSv12"), ("10.0.0.5", "198.51.100.3", None, "TLSv13"),
    ))  # fmt: skip
    batch = batch_of(SOURCES[kind], copied(random.Random(1), kind=kind), 7)
    assert min(one.end_s for one in flows(batch)) == 1_000
    (hit,) = detector.evaluate(batch)
    assert hit.rule is COPIED
    assert hit.subject == SINK
    assert {str(one) for one in hit.entities} == {f"ip:{SINK}", "ip:10.0.0.1"}
    assert "8 flows of 8 to 203.0.113.66 had the volume of an encrypted session" in hit.told
    assert "1 pair protected by a hybrid group, not readable later: 10.0.0.5 with 198.51.100.0:443" in hit.told
    assert "2 pairs not protected" in hit.told
    assert "198.51.100.1:443 (x25519), 10.0.0.5 with 198.51.100.2:443 (TLSv12)" in hit.told
    assert "2 pairs whose handshake was not seen" in hit.told
    assert hit.confidence == 0.85
    mine = {event_id(batch.batch, row) for row in range(len(batch))}
    assert len(hit.earlier) >= 8
    assert set(hit.earlier) <= mine


def test_it_goes_on_after_a_restart_apart_by_tenant_and_tells_a_peer_once_a_day():
    rows = copied(random.Random(2), n=30)
    one = HarvestDetector()
    other = TenantId("other")
    assert not one.evaluate(batch_of(SOURCES["zeek"], rows[:12]))
    assert not one.evaluate(batch_of(SOURCES["zeek"], rows[12:24], tenant=other))
    state = one.state(DEFAULT_TENANT)
    assert one.state(DEFAULT_TENANT) is None
    again = HarvestDetector()
    again.restore(DEFAULT_TENANT, state)
    for detector in (one, again):
        assert len(detector.evaluate(batch_of(SOURCES["zeek"], rows[12:], 1))) == 1
        assert not detector.evaluate(batch_of(SOURCES["zeek"], rows[40:], 2)), "told already"
    later = [{**row, "at": row["at"] + 2 * DAY_S} for row in rows]
    assert len(one.evaluate(batch_of(SOURCES["zeek"], later, 3))) == 1
    again.restore(DEFAULT_TENANT, None)
    assert not again.evaluate(batch_of(SOURCES["zeek"], rows[12:24]))


def relayed(rng):
    """A proxy hands on what clients send it: the same volumes, with one server."""
    for number in range(40):
        volume, at = rng.randrange(80_000, 900_000), 1_000 + 20 * number
        yield flow(f"10.0.0.{number % 9 + 10}", f"10.0.0.{number % 3 + 1}", volume, 500, at)
        yield flow(f"10.0.0.{number % 3 + 1}", SINK, volume, 500, at + 1)


def replicated(rng):
    """A host sends each file to five places outside: it keeps copies of its own."""
    for number in range(40):
        volume = rng.randrange(80_000, 900_000)
        for turn, place in enumerate(rng.sample(range(5), 5)):
            yield flow("10.0.0.5", f"198.51.100.{place}", volume, 900, 1_000 + 20 * number + turn)


def seen_twice(rng):
    """A sensor sees each connection before and behind the address translation."""
    for number in range(40):
        volume, at = rng.randrange(80_000, 900_000), 1_000 + 20 * number
        yield flow("10.0.0.5", f"198.51.100.{number % 5}", volume, 900, at)
        yield flow("10.9.9.9", f"198.51.100.{number % 5}", volume, 900, at)


def few_of_many(rng):
    """Among many uploads to one peer some are like sessions with others."""
    yield from copied(rng, n=10)
    for number in range(80):
        yield flow("10.0.0.1", SINK, rng.randrange(80_000, 900_000), 500, 995 + 5 * number)


def by_chance(rng):
    """Three hundred sessions at a time, and uploads among them."""
    for number in range(6_000):
        at = 1_000 + number / 30
        volume = int(65_536 * 1.3 ** rng.uniform(0, 12))
        yield flow(f"10.0.{number % 7}.{number % 200}", f"198.51.100.{number % 250}", volume // 9, volume, at)
        if number % 10 == 0:
            upload = int(65_536 * 1.3 ** rng.uniform(0, 12))
            yield flow("10.0.0.5", f"203.0.113.{number % 3}", upload, 500, at)


NEAR_MISSES = {
    "a relay": relayed, "copies of its own": replicated, "one connection seen twice": seen_twice,
    "few of many": few_of_many, "chance": by_chance, "volumes that are near": lambda rng: copied(rng, n=40, off=0.02),
    "two servers": lambda rng: copied(rng, n=40, servers=2),
    "a recorder of the house": lambda rng: [
        {**row, "id.resp_h": "10.0.0.99" if row["id.resp_h"] == SINK else row["id.resp_h"]} for row in copied(rng, n=40)
    ],
    "what is answered": lambda rng: [
        {**row, "resp_bytes": row["orig_bytes"]} if row["id.resp_h"] == SINK else row for row in copied(rng, n=40)
    ],
    "a little later": lambda rng: [
        {**row, "at": row["at"] + 13} if row["id.resp_h"] == SINK else row for row in copied(rng, n=40)
    ],
    "another time": lambda rng: [
        {**row, "at": row["at"] + 600} if row["id.resp_h"] == SINK else row for row in copied(rng, n=40)
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", NEAR_MISSES)
def test_what_only_looks_like_copies_is_not_told(what):
    rows = sorted(NEAR_MISSES[what](random.Random(3)), key=lambda row: row["at"])
    detector = HarvestDetector()
    found = [
        hit for begin in range(0, len(rows), 100)
        for hit in detector.evaluate(batch_of(SOURCES["zeek"], rows[begin : begin + 100], begin))
    ]  # fmt: skip
    assert [hit.told for hit in found] == []
    assert detector.state(DEFAULT_TENANT) is not None, "nothing was looked at"


def test_chance_makes_twins_and_decoys_alike():
    """The near miss of many sessions at once has twins: it is the decoys that say what they are worth."""
    detector = HarvestDetector()
    detector.evaluate(batch_of(SOURCES["zeek"], list(by_chance(random.Random(3)))))
    peers = detector.house(DEFAULT_TENANT).peers
    twins, decoys = (sum(getattr(peer, name) for peer in peers.values()) for name in ("twins", "decoys"))
    assert twins > 30
    assert 0.5 < decoys / 2 / twins < 2


def tunnel(out, back, at, server=SINK, **more):
    return flow(
        "10.0.0.254", server, out, back, at, port=more.pop("port", 4789), proto=more.pop("proto", "udp"), **more
    )


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "VXLAN"),
        ({"port": 37008}, "TZSP"),
        ({"proto": "gre", "port": 0}, "GRE"),
        ({"ip_proto": 47, "port": 0}, "GRE"),
    ],
)
def test_a_mirror_tunnel_to_the_outside_is_told(more, name):
    detector = HarvestDetector()
    detector.evaluate(talks(("10.0.0.5", "s", "X25519MLKEM768", "TLSv13"), ("10.0.0.6", "s", "x25519", "TLSv13")))
    hits = detector.evaluate(batch_of(SOURCES["zeek"], [tunnel(4_000_000, 0, at, **more) for at in (10, 20, 30, 40)]))
    assert [(hit.rule, hit.place, hit.subject, len(hit.earlier)) for hit in hits] == [(MIRRORED, 2, SINK, 2)]
    assert f"sent 12.0 MB to {SINK} through a {name} tunnel and got 0.0 MB back" in hits[0].told
    assert "1 pair protected by a hybrid group, not readable later: 10.0.0.5 with s:443" in hits[0].told
    assert "1 pair not protected, readable once the key exchange falls: 10.0.0.6 with s:443 (x25519)" in hits[0].told


@pytest.mark.parametrize(
    "rows",
    [
        [tunnel(4_000_000, 400_000, at) for at in range(10)],
        [tunnel(4_000_000, 0, at, server="172.16.0.9") for at in range(10)],
        [tunnel(4_000_000, 0, at, proto="tcp") for at in range(10)],
        [tunnel(900_000, 0, at) for at in range(10)],
        [tunnel(4_000_000, 0, at, local_orig=False, local_resp=False) for at in range(10)],
    ],
    ids=["both ways", "inside", "no tunnel", "too little", "passing through"],
)
def test_other_tunnels_are_not(rows):
    assert not HarvestDetector().evaluate(batch_of(SOURCES["zeek"], rows))


def bulk(hosts, at, server=SINK, out=50_000_000, back=100_000):
    return [flow(f"10.0.1.{host}", server, out, back, at + host) for host in hosts]


def watched(*rows):
    """A house that was watched for more than a day before."""
    return batch_of(SOURCES["zeek"], [flow("10.0.0.5", "198.51.100.1", 500, 500, 100), *rows])


def test_a_new_peer_that_collects_from_many_hosts_is_told():
    detector = HarvestDetector()
    detector.evaluate(talks(*((f"10.0.1.{host}", SINK, "x25519", "TLSv13") for host in range(4))))
    (hit,) = detector.evaluate(watched(*bulk(range(7), 2 * DAY_S)))
    assert hit.rule is COLLECTED
    assert f"5 hosts sent 250 MB to {SINK} within 0.0 h" in hit.told
    assert "4 pairs not protected" in hit.told
    assert "1 pair whose handshake was not seen" in hit.told
    assert len(hit.entities) == 6


@pytest.mark.parametrize(
    ("rows", "group"),
    [
        (bulk(range(7), 3_600), "x25519"), (bulk(range(4), 2 * DAY_S), "x25519"),
        (bulk(range(7), 2 * DAY_S), "X25519MLKEM768"), (bulk(range(7), 2 * DAY_S, back=9_000_000), "x25519"),
        (bulk(range(7), 2 * DAY_S, out=900_000, back=0), "x25519"), (bulk(range(7), 2 * DAY_S, "10.0.0.9"), "x25519"),
        (bulk([1], 2 * DAY_S) + bulk(range(2, 7), 4 * DAY_S), "x25519"),
    ],
    ids=["not watched before", "few hosts", "protected", "answered", "little", "inside", "not new"],
)  # fmt: skip
def test_other_bulk_is_not(rows, group):
    detector = HarvestDetector()
    detector.evaluate(talks(*((f"10.0.1.{host}", SINK, group, "TLSv13") for host in range(7))))
    assert not detector.evaluate(watched(*rows))


def test_a_pinned_threshold_holds():
    detector = HarvestDetector()
    detector.house(DEFAULT_TENANT)
    detector.thresholds(DEFAULT_TENANT)[MIRRORED.name].steer(pinned=100.0, raised=0.0)
    assert not detector.evaluate(batch_of(SOURCES["zeek"], [tunnel(9_000_000, 0, at) for at in range(9)]))
    assert detector.evaluate(batch_of(SOURCES["zeek"], [tunnel(9_000_000, 0, at) for at in range(9)], 1))


def test_what_is_remembered_is_bounded():
    rng, detector = random.Random(4), HarvestDetector()
    address = "2001:db8:ffff:ffff:ffff:ffff:{:04x}:{:04x}".format

    def inside(number):
        return f"fd00:ffff:ffff:ffff:ffff:ffff:ffff:{number:04x}"

    n = 5_000
    detector.evaluate(talks(*((inside(at), address(at, 1), "secp256r1mlkem768", "TLSv13") for at in range(n))))
    rows = []
    for at in range(1_200):
        out = rng.randrange(10_000_000, 2**40)
        rows.append(flow(inside(at % 97), address(at, 2), out, out // 2, at / 1_000))
        rows += [flow(inside(at % 89), address(at % 700, 3), out, 0, at / 1_000 + 1)]
        rows += [tunnel(90_000_000, 0, at / 1_000, server=address(at, 4))]
    for begin in range(0, len(rows), 500):
        detector.evaluate(batch_of(SOURCES["zeek"], rows[begin : begin + 500], begin))
    assert 300_000 < len(detector.state(DEFAULT_TENANT)) < 0.9 * MAX_DETECTOR_STATE_BYTES


def test_fields_that_are_not_what_they_should_be_do_no_harm():
    bad = {"at": 5, "id.orig_h": "a b", "id.resp_h": " ", "id.resp_p": "x", "orig_bytes": -5, "resp_bytes": "many"}
    odd = flow("10.0.0.1", "not an address", 2**60, float("nan"), 5, port=None, duration="long", proto=None)
    batch = batch_of(SOURCES["zeek"], [bad, odd, flow("10.0.0.1 x", SINK, 70_000, 0, 5, local_orig="T")])
    assert [one.client for one in flows(batch)] == ["10.0.0.1x"]
    assert not HarvestDetector().evaluate(batch)
    assert not HarvestDetector().evaluate(batch_of(SOURCES["suricata"], [{"at": 5, "src_ip": "a", "flow.end": "no"}]))
    eve = batch_of(
        LogSource("suricata", "", "tls"),
        [{"at": 5, "src_ip": "a", "dest_ip": "b", "dest_port": 443, "tls.version": "TLS 1.2"},
         {"at": 5, "src_ip": "a", "dest_ip": "c", "dest_port": 443, "tls.version": "TLS 1.3"}],
    )  # fmt: skip
    assert list(handshakes(eve)) == [("a b 443", "TLS1.2")]
    state = HarvestDetector()
    state.evaluate(eve)
    assert msgspec.msgpack.decode(state.state(DEFAULT_TENANT))["pairs"] == {"a b 443": "TLS1.2"}
