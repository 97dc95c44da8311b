"""Events over HTTP: taken in once, durably, within bounds; and everything that followed can be asked for."""

import gzip
import json
import zlib

import pytest

from phalanx.api._limits import MAX_BODY_BYTES
from phalanx.core import MAX_CHUNK_EVENTS, StorageFull
from phalanx.crypto import PublicKey
from phalanx.ledger import InclusionProof, InvalidProof, verify_checkpoint
from phalanx.trust import Role

NDJSON = {"Content-Type": "application/x-ndjson"}
QUIET = b'{"EventID":4624,"Channel":"Security","Hostname":"ws-01","EventTime":"2026-03-02 09:00:00"}\n'


def problem(answer, status, code):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/v1/problems/{code}")
    assert body["trace"] == answer.headers["phalanx-trace"]
    return body


def test_an_accepted_event_can_be_read_back_in_every_form(on_node):
    async def work(api):
        taken = await api.intrusion()
        assert taken["events"] == 1
        assert taken["first_event"] == taken["last_event"] == taken["batch"]
        event = (await api.http.get(f"/v1/events/{taken['first_event']}")).json()
        assert event["fields"]["EventID"] == 1102
        assert event["ocsf"]["device"]["hostname"] == "fs-01.corp.example"
        assert json.loads(event["raw"])["Channel"] == "Security"
        assert event["log_source"].startswith("windows/")
        listed = (await api.http.get("/v1/events")).json()["items"]
        assert [one["id"] for one in listed] == [event["id"]]

    on_node(work)


def test_the_whole_way_of_an_event_can_be_followed(on_node):
    async def work(api):
        taken = await api.intrusion()
        trace = (await api.http.get(f"/v1/traces/{taken['first_event']}")).json()
        stages = [point["stage"] for point in trace["waypoints"]]
        assert stages[:3] == ["accepted", "finding", "mission"]
        assert {"assigned", "step", "assessment", "proposal", "decision", "ledger", "mission-done"} <= set(stages)
        subjects = {point["stage"]: point["subject"] for point in trace["waypoints"]}
        for stage, path in (("finding", "findings"), ("mission", "missions"), ("assessment", "assessments"),
                            ("proposal", "proposals"), ("decision", "decisions"), ("ledger", "ledger")):  # fmt: skip
            record = (await api.http.get(f"/v1/{path}/{subjects[stage]}")).raise_for_status().json()
            assert record["id"] == subjects[stage]
            assert record["trace"] == taken["first_event"]
        finding = (await api.http.get(f"/v1/findings/{subjects['finding']}")).json()
        case = (await api.http.get(f"/v1/cases/{finding['case']}")).json()
        assert [len(case[kind]) for kind in ("findings", "assessments", "proposals", "decisions")] == [1] * 4
        skills = sorted(mission["skill"] for mission in case["missions"])
        assert len(set(skills)) == len(skills)
        assert {"correlate", "expand", "retro-hunt", "triage"} <= set(skills)
        assert case["assessments"][0]["provenance"][0]["origin"] == "simulated"

    on_node(work)


def test_a_ledger_proof_convinces_somebody_who_does_not_trust_the_node(on_node):
    async def work(api):
        await api.intrusion()
        entries = (await api.http.get("/v1/ledger")).json()["items"]
        assert [entry["index"] for entry in entries] == list(range(len(entries)))
        assert entries
        for entry in entries:
            proof = (await api.http.get(f"/v1/ledger/{entry['id']}/proof")).raise_for_status().json()
            _verify(proof)
            with pytest.raises(InvalidProof):
                _verify(proof | {"leaf": proof["leaf"] + " "})

    on_node(work)


def _verify(proof):
    import base64

    checkpoint = proof["checkpoint"]
    key = PublicKey.from_bytes(base64.b64decode(checkpoint["public_key"]))
    signed = verify_checkpoint(checkpoint["note"], key)
    inclusion = InclusionProof(proof["index"], signed.size, proof["leaf_hash"], tuple(proof["path"]), signed.root)
    inclusion.verify(proof["leaf"].encode(), signed.root)


def test_one_idempotency_key_takes_events_in_once(on_node):
    async def work(api):
        headers = NDJSON | {"Idempotency-Key": "sensor-1/42"}
        first = await api.http.post("/v1/events", content=QUIET, headers=headers)
        again = await api.http.post("/v1/events", content=QUIET, headers=headers)
        assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
        assert first.json()["batch"] == again.json()["batch"]
        await api.node.settled()
        assert len((await api.http.get("/v1/events")).json()["items"]) == 1
        other = await api.http.post("/v1/events", content=QUIET + QUIET, headers=headers)
        assert other.status_code in (409, 422)
        assert other.headers["content-type"] == "application/problem+json"

    on_node(work)


def test_a_gzip_body_is_unfolded_within_its_bound(on_node):
    async def work(api):
        headers = NDJSON | {"Content-Encoding": "gzip"}
        answer = await api.http.post("/v1/events", content=gzip.compress(QUIET * 500), headers=headers)
        assert (answer.status_code, answer.json()["events"]) == (202, 500)
        deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
        answer = await api.http.post("/v1/events", content=bomb, headers=headers)
        assert problem(answer, 413, "limit-exceeded")["context"]["maximum"] == MAX_BODY_BYTES
        problem(await api.http.post("/v1/events", content=b"no gzip", headers=headers), 422, "invalid-input")

    on_node(work)


def test_what_cannot_be_taken_in_is_refused_as_a_whole(on_node):
    async def work(api):
        async def post(content, **headers):
            return await api.http.post("/v1/events", content=content, headers=NDJSON | headers)

        answer = await post(bytes(MAX_BODY_BYTES + 1))
        problem(answer, 413, "limit-exceeded")
        assert answer.headers["connection"] == "close"
        problem(await post(b"x\n" * (MAX_CHUNK_EVENTS + 1)), 413, "limit-exceeded")
        problem(await post(QUIET, **{"Content-Encoding": "br"}), 415, "unsupported-media")
        form = await post(QUIET, **{"Content-Type": "application/x-www-form-urlencoded"})
        assert "application/x-ndjson" in problem(form, 415, "unsupported-media")["hint"]
        problem(await post(b""), 422, "invalid-input")
        unknown = await api.http.post("/v1/events?reader=cobol", content=QUIET, headers=NDJSON)
        assert problem(unknown, 422, "invalid-input")["context"]["field"] == "reader"
        await api.node.settled()
        assert (await api.http.get("/v1/events")).json()["items"] == []

    on_node(work)


def test_lines_that_are_not_events_are_kept_in_quarantine(on_node):
    async def work(api):
        for number in range(3):
            body = QUIET + b"".join(b"{broken %d-%d\n" % (number, row) for row in range(5)) + QUIET
            await api.http.post("/v1/events", content=body, headers=NDJSON)
        await api.node.settled()
        pages, after = [], ""
        for _ in range(10):
            page = (await api.http.get("/v1/events/quarantine", params={"limit": 4, "after": after})).json()
            pages.append(page["items"])
            after = page["next"]
            if not after:
                break
        assert [len(page) for page in pages] == [4, 4, 4, 3]
        lines = [line for page in pages for line in page]
        assert [line["raw"] for line in lines] == [f"{{broken {n}-{row}" for n in (2, 1, 0) for row in (4, 3, 2, 1, 0)]
        assert all(line["reason"] for line in lines)
        assert [line["row"] for line in lines] == [5, 4, 3, 2, 1] * 3
        assert len({line["id"] for line in lines}) == 15

    on_node(work)


def test_a_full_intake_asks_to_come_again(on_node):
    async def work(api):
        # As many events as the setting allows are taken to wait for the sentinel.
        api.node.intake.backlog.events += api.node.settings.intake.max_backlog_events
        answer = await api.http.post("/v1/events", content=QUIET, headers=NDJSON)
        assert int(answer.headers["retry-after"]) == problem(answer, 429, "overloaded")["context"]["retry_after_s"] >= 1
        api.node.intake.backlog.events -= api.node.settings.intake.max_backlog_events
        assert (await api.http.post("/v1/events", content=QUIET, headers=NDJSON)).status_code == 202

    on_node(work)


def test_a_read_only_node_refuses_events_and_shows_everything(on_node):
    async def work(api):
        await api.intrusion()
        api.node._space.full(StorageFull("the journal"))
        problem(await api.post({"EventID": 1}), 507, "storage-full")
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["read_only"]) == (503, True)
        assert (await api.http.get("/healthz")).status_code == 200
        assert len((await api.http.get("/v1/findings")).json()["items"]) == 1

    on_node(work)


@pytest.mark.requirement("INT-1")
def test_a_whole_file_is_made_into_lines_and_taken_once(on_node):
    header = b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tquery\n#types\ttime\tstring\tstring\n"
    zeek = header + b"1772440140.5\tC1\ta.example\n" * 3
    document = json.dumps({"Records": [{"eventTime": "2026-03-02T08:29:00Z", "eventSource": "s3", "eventName": "Get"}]})
    packed = gzip.compress(zeek)

    async def post(api, data, **headers):
        return await api.http.post("/v1/events/files?name=x.log", content=data, headers=headers)

    async def work(api):
        for data, lines in ((packed, 7), (document.encode(), 1)):
            taken = (await post(api, data)).json()
            assert (taken["lines"], taken["already_there"], taken["ended"]) == (lines, 0, "")
            again = (await post(api, data)).json()
            assert (again["already_there"], again["batches"]) == (lines, taken["batches"])
        other = (await post(api, packed, **{"Idempotency-Key": "once more"})).json()
        assert other["already_there"] == 0
        cut = (await post(api, gzip.compress(QUIET * 50_000)[:-200])).json()
        assert "damaged" in cut["ended"]
        assert cut["lines"] > 0
        short = (await post(api, gzip.compress(QUIET * 500)[:-20])).json()
        assert "damaged" in short["ended"]
        assert 0 < short["lines"] < 500
        await api.node.settled()
        sources = {event["log_source"] for event in (await api.http.get("/v1/events?reader=zeek")).json()["items"]}
        assert sources == {"zeek/dns/dns"}
        assert (await api.http.get("/v1/events?source=aws/cloudtrail")).json()["items"]
        problem(await post(api, b"\xd4\xc3\xb2\xa1" + bytes(40)), 422, "invalid-input")
        problem(await post(api, b""), 422, "invalid-input")
        async with api.stranger(headers=await api.token(Role.VIEWER)) as http:
            assert (await http.post("/v1/events/files", content=zeek)).status_code == 403

    on_node(work)


def test_lines_from_quarantine_are_read_again_each_once(on_node):
    cef = b"CEF:0|v|p|1|c|n|5|src=10.0.0.1 dst=10.0.0.2"

    async def replayed(api, **wanted):
        answer = await api.http.post("/v1/events/quarantine/replay", json=wanted)
        assert answer.status_code == 200, answer.text
        return {name: answer.json()[name] for name in ("replayed", "still_bad", "before", "gone")}

    async def work(api):
        await api.http.post("/v1/events?reader=suricata", content=cef + b"\nnonsense\n" + cef, headers=NDJSON)
        await api.node.settled()
        lines = (await api.http.get("/v1/events/quarantine")).json()["items"]
        assert len(lines) == 3
        whole = (await api.http.get(f"/v1/events/quarantine/{lines[1]['id']}")).json()
        assert (whole["kept"], whole["whole"], whole["line"]) == (True, "nonsense", lines[1])
        assert await replayed(api) == {"replayed": 0, "still_bad": 3, "before": 0, "gone": 0}
        assert await replayed(api, lines=[lines[2]["id"]], reader="cef") == {
            "replayed": 1, "still_bad": 0, "before": 0, "gone": 0
        }  # fmt: skip
        for n in (1, 0):
            assert await replayed(api, reader="cef") == {"replayed": n, "still_bad": 1, "before": 2 - n, "gone": 0}
        await api.node.settled()
        events = (await api.http.get("/v1/events")).json()["items"]
        assert [event["raw"] for event in events] == [cef.decode()] * 2
        shown = (await api.http.get("/v1/events/quarantine")).json()["items"]
        assert [line["replayed_as"] for line in shown] == [events[0]["id"], "", events[1]["id"]]
        entries = (await api.http.get("/v1/ledger")).json()["items"]
        assert sum(entry["action"] == "quarantine.replay" for entry in entries) == 2
        problem(await api.http.get(f"/v1/events/quarantine/{events[0]['id']}"), 404, "not-found")
        problem(await api.http.post("/v1/events/quarantine/replay", json={"reader": "cobol"}), 422, "invalid-input")
        problem(await api.http.post("/v1/events/quarantine/replay", json={"colour": 1}), 422, "invalid-input")
        async with api.stranger(headers=await api.token(Role.VIEWER)) as http:
            assert (await http.post("/v1/events/quarantine/replay", json={})).status_code == 403

    on_node(work)
