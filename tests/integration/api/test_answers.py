"""Every error is a problem document that tells what to do and nothing it should not; listings come in pages."""

import pytest

from phalanx.agents import Swarm
from phalanx.api import PROBLEM_TYPES
from phalanx.core import StorageCorrupt
from phalanx.telemetry import Level

LOG_CLEARED = {"EventTime": "2026-03-02 09:39:13", "EventID": 1102, "SourceName": "Microsoft-Windows-Eventlog",
               "Channel": "Security", "SubjectUserName": "kim"}  # fmt: skip


UNANSWERABLE = [
    ("GET", "/v1/nothing-here", 404, "not-found"),
    ("GET", "/v1/findings/", 404, "not-found"),
    ("GET", "/v1/findings/0190", 404, "not-found"),
    ("GET", "/v1/events/0190", 404, "not-found"),
    ("GET", "/v1/traces/0190", 404, "not-found"),
    ("GET", "/v1/ledger/0190/proof", 404, "not-found"),
    ("GET", "/v1/problems/nope", 404, "not-found"),
    ("DELETE", "/v1/events", 405, "method-not-allowed"),
    ("POST", "/v1/findings", 405, "method-not-allowed"),
    ("GET", "/v1/findings?limit=0", 422, "invalid-input"),
    ("GET", "/v1/findings?limit=many", 422, "invalid-input"),
    ("GET", "/v1/findings?order=best", 422, "invalid-input"),
    ("GET", "/v1/ledger?after=x", 422, "invalid-input"),
]


def test_what_cannot_be_answered_is_a_problem_document(on_node):
    async def work(api):
        for method, path, status, code in UNANSWERABLE:
            answer = await api.http.request(method, path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
            body = answer.json()
            assert (body["status"], body["code"]) == (status, code), path
            assert body["instance"] == path.partition("?")[0]
            assert body["trace"] == answer.headers["phalanx-trace"]
            meaning = (await api.http.get(body["type"])).json()
            assert (meaning["code"], meaning["title"]) == (code, body["title"])
            if status == 405:
                assert answer.headers["allow"] == ("GET, HEAD, POST" if path == "/v1/events" else "GET, HEAD")
            if "?limit" in path:
                assert body["errors"][0]["field"] == "limit"

    on_node(work)


@pytest.mark.parametrize(
    ("error", "code"),
    [(RuntimeError("the secret of the house"), "internal"), (StorageCorrupt("secret.db", 7, "torn"), "internal")],
)
def test_a_fault_of_the_node_is_logged_in_full_and_answered_without_details(on_node, monkeypatch, error, code):
    def broken(_):
        raise error

    monkeypatch.setattr(Swarm, "roster", broken)

    async def work(api):
        answer = await api.http.get("/v1/agents")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json()["code"] == code
        assert "secret" not in answer.text
        assert type(error).__name__ not in answer.text
        logged = [record for record in api.log if record.event == "request failed"]
        assert [(record.level, record.fields["trace"]) for record in logged] == [(Level.ERROR, answer.json()["trace"])]
        assert logged[0].fields["error"] is error
        assert (await api.http.head("/v1/agents")).status_code == 500

    on_node(work)


def test_head_is_answered_like_get_without_counting_as_one(on_node):
    async def work(api):
        got, asked = await api.http.get("/v1/devices"), await api.http.head("/v1/devices")
        assert (asked.status_code, asked.headers["content-length"]) == (200, got.headers["content-length"])
        assert asked.content == b""
        assert (await api.http.head("/v1/live")).headers["content-type"].startswith("text/event-stream")
        assert api.node.telemetry.feed._open == []
        counted = (await api.http.get("/metrics")).text
        for method in ("GET", "HEAD"):
            assert f'phalanx_http_requests_total{{method="{method}",route="/v1/devices",status="200"}} 1\n' in counted

    on_node(work)


def test_every_kind_of_problem_can_be_looked_up(on_node):
    async def work(api):
        listed = (await api.http.get("/v1/problems")).json()["items"]
        assert [kind["code"] for kind in listed] == list(PROBLEM_TYPES)
        assert all(kind["title"] and kind["meaning"] and 400 <= kind["status"] < 600 for kind in listed)

    on_node(work)


def test_answers_carry_their_security_headers(on_node):
    async def work(api):
        for path in ("/v1/findings", "/v1/nothing-here", "/healthz"):
            headers = (await api.http.get(path)).headers
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"

    on_node(work)


def test_a_listing_is_read_page_by_page_in_either_order(on_node):
    async def work(api):
        hosts = [f"ws-{number:02}" for number in range(7)]
        await api.post(*({**LOG_CLEARED, "Hostname": host} for host in hosts))
        await api.node.settled()
        pages, after, link = [], "", ""
        for _ in range(10):
            answer = await api.http.get("/v1/findings", params={"limit": 3, "after": after})
            body = answer.json()
            pages.append([one["id"] for one in body["items"]])
            if not body["next"]:
                assert "link" not in answer.headers
                break
            after = body["next"]
            link = answer.headers["link"].partition(">")[0].removeprefix("<")
            assert link.count("after=") == 1
            assert (await api.http.get(link)).json() == (
                await api.http.get("/v1/findings", params={"limit": 3, "after": after})
            ).json()
        assert [len(page) for page in pages] == [3, 3, 1]
        newest_first = [one for ids in pages for one in ids]
        assert newest_first == sorted(newest_first, reverse=True)
        oldest_first = (await api.http.get("/v1/findings?order=oldest")).json()["items"]
        assert [one["id"] for one in oldest_first] == newest_first[::-1]
        one_case = (await api.http.get("/v1/findings", params={"case": oldest_first[0]["case"]})).json()["items"]
        assert [one["id"] for one in one_case] == [oldest_first[0]["id"]]
        ledger = (await api.http.get("/v1/ledger?limit=2")).json()
        rest = (await api.http.get("/v1/ledger", params={"after": ledger["next"]})).json()["items"]
        assert [entry["index"] for entry in ledger["items"] + rest] == list(range(2 + len(rest)))
        events = (await api.http.get("/v1/events?limit=4")).json()
        older = (await api.http.get("/v1/events", params={"after": events["next"]})).json()["items"]
        assert len({one["id"] for one in events["items"] + older}) == 7

    on_node(work)
