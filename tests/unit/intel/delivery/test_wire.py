import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, Rng
from phalanx.intel.delivery import ParcelBounds, RetryPolicy, parcel_of, retry_after_s
from phalanx.intel.delivery.wire import (
    ElasticBulk,
    HttpReply,
    SecOpsLogs,
    SecOpsUdm,
    SentinelLogs,
    SplunkHec,
    Webhook,
    XsoarIncidents,
    check_signature,
    judged_by_status,
    leef_line,
    signature,
)
from phalanx.testing.contracts import item_like

pytestmark = pytest.mark.requirement("INT-3")
NOW_NS = 1_790_000_000_000_000_000


def parcel(form, *items):
    return parcel_of(items, [form.encode(item) for item in items], sink="s")


def judged(form, body, status=200, n=2, **more):
    reply = HttpReply(status, json.dumps(body).encode(), **more)
    return form.judge(parcel(form, *(item_like(number) for number in range(n))), reply)


# Codes of "Troubleshoot HTTP Event Collector", with the status that goes with each.
@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (200, 0, "taken"), (403, 1, "later"), (401, 2, "later"), (401, 3, "later"), (403, 4, "later"),
        (400, 5, "never"), (400, 6, "never"), (400, 7, "later"), (500, 8, "later"), (503, 9, "later"),
        (400, 10, "later"), (400, 11, "later"), (400, 12, "never"), (400, 13, "never"), (400, 14, "later"),
        (400, 15, "never"), (400, 16, "later"), (503, 18, "later"), (503, 23, "later"), (413, 27, "split"),
    ],
)  # fmt: skip
def test_each_code_of_the_collector_means_what_the_documents_say(status, code, what):
    answer = judged(SplunkHec(), {"text": "told", "code": code}, status)
    found = "split" if answer.split else "never" if answer.never else "later" if answer.problem else "taken"
    assert found == what
    assert what == "taken" or what == "split" or f"code {code}" in (answer.never or answer.problem)


@pytest.mark.parametrize(
    ("status", "what"),
    [(200, ""), (202, ""), (204, ""), (302, "later"), (400, "never"), (401, "later"), (403, "later"), (404, "later"),
     (408, "later"), (409, "later"), (413, "split"), (422, "never"), (429, "later"), (500, "later"), (503, "later")],
)  # fmt: skip
def test_what_an_administrator_can_mend_is_never_a_refusal(status, what):
    answer = judged_by_status(HttpReply(status, b"", 7.0 if status == 429 else None))
    found = "split" if answer.split else "never" if answer.never else "later" if answer.problem else ""
    assert found == what
    assert answer.retry_after_s == (7.0 if status == 429 else None)


def test_elastic_judges_each_item():
    def result(status):
        error = {"type": "t", "reason": "r"} if status >= 300 else None
        return {"index": {"status": status} | ({"error": error} if error else {})}

    answer = judged(ElasticBulk(), {"errors": True, "items": [result(n) for n in (201, 429, 400, 409, 503)]}, n=5)
    assert answer.again == {1: "429 t: r", 4: "503 t: r"}
    assert answer.refused == {2: "400 t: r"}
    assert judged(ElasticBulk(), {"items": []}, n=1).problem


def test_a_revision_of_a_finding_is_a_version_of_one_document():
    action, document = (json.loads(line) for line in ElasticBulk().encode(item_like(3)).splitlines())
    assert action["index"]["_id"] == item_like(3).subject
    assert (action["index"]["version"], action["index"]["version_type"]) == (1, "external")
    assert document["phalanx_id"] == item_like(3).id


def test_bodies_are_what_the_products_publish():
    first, second = item_like(1), item_like(2)
    hec = parcel(SplunkHec(index="main"), first, second)
    assert SplunkHec().request(hec).body.count(b'"sourcetype":"phalanx:finding"') == 2
    sentinel = SentinelLogs("dcr-1", "Custom-X")
    request = sentinel.request(parcel(sentinel, first, second))
    assert request.path == "/dataCollectionRules/dcr-1/streams/Custom-X?api-version=2023-01-01"
    assert [row["PhalanxId"] for row in json.loads(request.body)] == [first.id, second.id]
    assert gzip.decompress(gzip.compress(request.body)) == request.body
    udm = SecOpsUdm("projects/p/locations/l/instances/i")
    (event,) = json.loads(udm.request(parcel(udm, first)).body)["inlineSource"]["events"]
    assert event["udm"]["security_result"][0]["severity"] == "HIGH"
    assert event["udm"]["principal"]["ip"] == ["10.0.0.7"]
    logs = SecOpsLogs("projects/p/locations/l/instances/i", "T")
    (log,) = json.loads(logs.request(parcel(logs, first)).body)["inlineSource"]["logs"]
    assert json.loads(base64.b64decode(log["data"]))["phalanx_id"] == first.id
    incident = json.loads(XsoarIncidents().encode(first))
    assert (incident["severity"], incident["dbotMirrorId"]) == (3, first.subject)


def test_leef_keeps_to_one_line_and_its_attributes_apart():
    item = item_like(1, title="a\tb\nc=d|e", text="x" * 5_000)
    line = leef_line(item, node="n 1", octet_counted=False)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    head, _, attributes = line.decode().partition("|x09|")
    assert head.split("LEEF:")[1] == "2.0|Phalanx|Phalanx|1|T1059.001"
    assert head.startswith("<131>1 ")
    found = dict(part.partition("=")[::2] for part in attributes.rstrip("\n").split("\t"))
    assert found["title"] == "a b c=d|e"
    assert found["externalId"] == item.id
    counted = leef_line(item, node="n", octet_counted=True)
    length, _, rest = counted.partition(b" ")
    assert int(length) == len(rest)


def test_a_signature_holds_for_its_body_and_its_time():
    header = signature(b"secret", b"body", 1_000)
    check_signature(b"secret", b"body", header, now_s=1_200)
    for secret, body, now_s in ((b"other", b"body", 1_000), (b"secret", b"bodx", 1_000), (b"secret", b"body", 1_301)):
        with pytest.raises(InvalidInput):
            check_signature(secret, body, header, now_s=now_s)
    for broken in ("", "t=,v1=", "t=1000", "v1=00", "t=x,v1=y"):
        with pytest.raises(InvalidInput):
            check_signature(b"secret", b"body", broken, now_s=1_000)


def test_the_key_of_a_parcel_follows_from_what_is_in_it():
    form = Webhook()
    same = parcel(form, item_like(1), item_like(2))
    assert parcel(form, item_like(1), item_like(2)).key == same.key
    others = [(item_like(2), item_like(1)), (item_like(1),), (item_like(1), item_like(2, text="changed"))]
    assert len({same.key, *(parcel(form, *items).key for items in others)}) == 4


@given(st.lists(st.integers(1, 2_000), max_size=60), st.integers(1, 20), st.integers(1, 5_000))
def test_parcels_keep_to_their_bounds_and_always_go_on(sizes, max_items, max_bytes):
    bounds = ParcelBounds(max_items, max_bytes, 0.0)
    rest = list(sizes)
    while rest:
        n = next((n for n in range(len(rest)) if not bounds.hold(n + 1, sum(rest[: n + 1]))), len(rest))
        assert 1 <= n <= max(1, max_items)
        assert n == 1 or sum(rest[:n]) <= max_bytes
        assert n == len(rest) or n == max_items or sum(rest[: n + 1]) > max_bytes, "as many as fit"
        rest = rest[n:]


@given(st.integers(0, 10_000), st.none() | st.floats(0, 1e9), st.integers(0, 2**32))
def test_pauses_grow_are_bounded_and_never_shorter_than_asked(attempt, asked_s, seed):
    policy = RetryPolicy(0.5, 120.0, 3_600.0)
    pause_s = policy.pause_s(attempt, asked_s, Rng(seed))
    assert 0.25 <= pause_s <= 3_601.0
    if asked_s is None:
        assert pause_s <= min(0.5 * 2.0 ** min(attempt, 30), 120.0)
    else:
        assert pause_s >= min(asked_s, 3_600.0)


@pytest.mark.parametrize(
    ("value", "found"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-3", None), ("Mon, 21 Sep 2026 14:13:30 GMT", 10.0),
     ("Mon, 21 Sep 2020 14:13:30 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value, found):
    assert retry_after_s(value, now_ns=NOW_NS) == found
