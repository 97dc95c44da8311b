"""A real node with sinks and sources: what is found is told, what is drawn is found, and people see how it goes."""

import asyncio
import json
import re
import socket

import pytest
import urllib3
import uvicorn
from click.testing import CliRunner

from phalanx.api import create_app
from phalanx.cli.intel._sinks import since_ns, sinks, sources
from phalanx.core import DEFAULT_TENANT, InvalidInput
from phalanx.dashboard import create_pages
from phalanx.node import Settings, build_node, open_ports
from phalanx.testing import wait_until
from phalanx.testing.delivery import ElasticPeer, PeerServer, WebhookPeer
from phalanx.trust import Role

pytestmark = [pytest.mark.requirement("INT-3"), pytest.mark.requirement("INT-5")]

EVENT = {
    "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "ws-7",
    "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
    "CommandLine": "powershell.exe -enc VwByAGkAdABlAC0ASABvAHMAdAAgACIAaABlAGwAbABvACIA",
}  # fmt: skip
LINE = json.dumps(EVENT)


@pytest.fixture
def webhook():
    with PeerServer(WebhookPeer()) as server:
        yield server


@pytest.fixture
def elastic():
    with PeerServer(ElasticPeer()) as server:
        yield server


def private(file, text):
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


def settings_of(folder, webhook, elastic, **more):
    sinks = [
        {
            "name": "hook", "type": "webhook", "linger_s": 0.05,
            "options": {"url": webhook.url, "secret_file": private(folder / "hook.key", "webhook-secret\n")},
        },
        {
            "name": "lake", "type": "elastic", "linger_s": 0.05, "kinds": ["finding", "case", "decision", "event"],
            "options": {"url": elastic.url, "api_key_file": private(folder / "lake.key", "api-key")},
        },
    ]  # fmt: skip
    return Settings.model_validate(
        {"node": {"data_dir": folder / "data", "drain_s": 1}, "sinks": {"each": sinks}, **more}
    )


class Client:
    def __init__(self, url, token):
        self._http = urllib3.PoolManager(retries=False, timeout=30)
        self.url, self._token = url, token

    async def ask(self, method, path, body=b"", **headers):
        sent = {"Authorization": f"Bearer {self._token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await asyncio.to_thread(self._http.request, method, self.url + path, body=body or None, headers=sent)

    async def get(self, path):
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    async def post(self, path, body=b""):
        answer = await self.ask("POST", path, body)
        assert answer.status == 200, answer.data
        return json.loads(answer.data)


def serving(settings, work):
    async def main():
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            app = create_app(node, pages=create_pages(node))
            server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
            with socket.socket() as listening:
                listening.bind(("127.0.0.1", 0))
                listening.listen(64)
                task = asyncio.create_task(server.serve(sockets=[listening]))
                try:
                    secret = (await node.tokens.issue(DEFAULT_TENANT, "own", Role.ADMIN)).secret
                    await work(node, Client(f"http://127.0.0.1:{listening.getsockname()[1]}", secret), secret)
                finally:
                    server.should_exit = True
                    await task

    asyncio.run(main())


def kinds_at(webhook):
    items = [one for asked in webhook.requests for one in json.loads(asked.body)["items"]]
    return {one["kind"] for one in items}


async def told_of(client, items):
    """Return when the sink ``hook`` counts so many as delivered; each look is a request of its own."""
    async with asyncio.timeout(60):
        while (await client.get("/v1/sinks/hook"))["delivered"] < items:
            continue


def test_what_is_found_assessed_and_decided_is_told(tmp_path, webhook, elastic):
    async def work(node, client, _):
        await node.intake.accept(LINE.encode(), tenant=DEFAULT_TENANT)
        await node.settled()
        await wait_until(lambda: {"finding", "case", "decision"} <= kinds_at(webhook))
        kept = {document["kind"] for _, document in elastic.product.documents.values()}
        await wait_until(lambda: {"finding", "event"} <= {d["kind"] for _, d in elastic.product.documents.values()})
        assert kept <= {"finding", "case", "decision", "event"}
        # A delivery is counted when its answer is on record, which is after the peer has it.
        await told_of(client, 3)
        hook, lake = (await client.get("/v1/sinks"))["items"]
        assert (hook["name"], lake["name"]) == ("hook", "lake")
        assert hook["state"] == "running"
        assert hook["lost"] == hook["dead_letters"] == 0
        assert len(webhook.product.kept) == len(set(webhook.product.kept))
        events = [d for _, d in elastic.product.documents.values() if d["kind"] == "event"]
        assert [one["message"] for one in events].count(LINE) == 1

    serving(settings_of(tmp_path, webhook, elastic), work)


def test_a_sink_that_is_down_holds_up_nothing_and_gets_it_later(tmp_path, webhook, elastic):
    async def work(node, client, _):
        webhook.trouble.extend(["error"] * 3)
        await node.intake.accept(LINE.encode(), tenant=DEFAULT_TENANT)
        await node.settled()
        assert await node.findings.list(DEFAULT_TENANT), "it is found, whatever its sinks do"
        await wait_until(lambda: webhook.product.kept)
        hook = await client.get("/v1/sinks/hook")
        assert hook["retries"] >= 1
        assert "503" in hook["last_error"]
        assert "webhook-secret" not in json.dumps(await client.get("/v1/sinks"))

    serving(settings_of(tmp_path, webhook, elastic), work)


def test_pause_resume_replay_and_test(tmp_path, webhook, elastic):
    async def work(node, client, _):
        assert (await client.post("/v1/sinks/hook/pause"))["state"] == "paused"
        told = await client.post("/v1/sinks/hook/test")
        assert told["taken"], told
        await node.intake.accept(LINE.encode(), tenant=DEFAULT_TENANT)
        await node.settled()
        await wait_until(lambda: len(elastic.product.documents) >= 2)
        assert kinds_at(webhook) == {"probe"}
        assert (await client.get("/v1/sinks/hook"))["waiting"] >= 1
        await client.post("/v1/sinks/hook/resume")
        await wait_until(lambda: {"probe", "finding", "case", "decision"} <= kinds_at(webhook))
        documents = dict(elastic.product.documents)
        elastic.product.documents.clear()
        await client.post("/v1/sinks/lake/replay", json.dumps({"since_ns": 0}).encode())
        await wait_until(lambda: set(documents) <= set(elastic.product.documents))
        missing = await client.ask("POST", "/v1/sinks/nobody/test")
        assert missing.status == 404

    serving(settings_of(tmp_path, webhook, elastic), work)


def test_the_commands(tmp_path, webhook, elastic):
    async def work(node, client, token):
        async def run(*words, group=sinks):
            words = [*words, "--url", client.url, "--token", token]
            return await asyncio.to_thread(CliRunner().invoke, group, words, catch_exceptions=False)

        await node.intake.accept(LINE.encode(), tenant=DEFAULT_TENANT)
        await wait_until(lambda: "decision" in kinds_at(webhook))
        rows = json.loads((await run("list", "--json")).output)
        assert [row["name"] for row in rows] == ["hook", "lake"]
        assert "webhook" in (await run("list")).output
        assert json.loads((await run("show", "hook")).output)["effect"] == "once"
        assert (await run("test", "hook")).output.startswith("taken after")
        webhook.trouble.append("unauthorised")
        failed = await run("test", "hook")
        assert failed.exit_code != 0
        assert "credentials" in failed.output
        webhook.trouble.append("unauthorised")
        await node.intake.accept(LINE.replace("ws-7", "ws-8").encode(), tenant=DEFAULT_TENANT)
        courier = node.delivery.courier(DEFAULT_TENANT, "hook")
        await wait_until(lambda: courier.state.last_delivered_at_ns > courier.state.last_error_at_ns > 0)
        hook = next(line for line in (await run("list")).output.splitlines() if line.startswith("hook"))
        assert re.search(r"\d\d:\d\d:\d\d: .*credentials.* \(over: it worked at \d{4}-", hook), hook
        assert "paused" in (await run("pause", "hook")).output
        assert "hook is" in (await run("resume", "hook")).output
        n_told = len(webhook.requests)
        await run("replay", "hook", "--since", "24h")
        await wait_until(lambda: len(webhook.requests) > n_told)
        assert "refused nothing" in (await run("dead-letters", "hook")).output
        assert "no sources" in (await run("list", group=sources)).output
        entries = (await client.get("/v1/ledger?limit=1000"))["items"]
        assert {entry["action"] for entry in entries} >= {"sink.pause", "sink.resume", "sink.replay"}

    serving(settings_of(tmp_path, webhook, elastic), work)


@pytest.mark.parametrize(
    ("text", "found"),
    [("all", 0), ("90m", 10**19 - 5400 * 10**9), ("1970-01-01T00:00:01Z", 10**9), ("1970-01-02", 86_400 * 10**9)],
)
def test_a_moment_as_a_person_writes_it(text, found):
    assert since_ns(text, now_ns=10**19) == found


def test_a_moment_that_is_none():
    with pytest.raises(InvalidInput, match="neither a time nor how long ago"):
        since_ns("yesterday", now_ns=10**19)


def test_dead_letters_are_kept_and_can_be_sent_again(tmp_path, webhook, elastic):
    elastic.product.bad = "PowerShell"

    async def work(node, client, _):
        await node.intake.accept(LINE.encode(), tenant=DEFAULT_TENANT)
        await node.settled()
        letters = []

        async def look():
            letters[:] = (await client.get("/v1/sinks/lake/dead-letters"))["items"]

        for _ in range(400):
            await look()
            if letters:
                break
            await node.clock.sleep(0.02)
        assert "document_parsing_exception" in letters[0]["reason"]
        again = await client.post(f"/v1/sinks/lake/dead-letters/{letters[0]['id']}/replay")
        assert not again["taken"]
        elastic.product.bad = "nothing at all"
        for letter in letters:
            again = await client.post(f"/v1/sinks/lake/dead-letters/{letter['id']}/replay")
            assert again["taken"]
        await look()
        assert not letters

    serving(settings_of(tmp_path, webhook, elastic), work)


def test_a_file_is_drawn_across_a_restart_and_a_rotation(tmp_path, webhook, elastic):
    log = tmp_path / "app.log"
    log.write_text(f"{LINE}\n{LINE}\n")
    sources = [{"name": "app", "type": "file", "options": {"path": str(log)}}]
    settings = settings_of(tmp_path, webhook, elastic, sources={"each": sources})

    async def first(node, client, _):
        await wait_until(lambda: node.delivery.source(DEFAULT_TENANT, "app").events == 2)
        (source,) = (await client.get("/v1/sources"))["items"]
        assert (source["events"], source["gaps"]) == (2, 0)

    serving(settings, first)
    with log.open("a") as file:
        file.write(f"{LINE}\n")
    log.rename(tmp_path / "app.log.1")
    log.write_text(f"{LINE}\n{LINE}\n")

    async def second(node, client, _):
        await wait_until(lambda: node.delivery.source(DEFAULT_TENANT, "app").events == 5)
        assert (await client.get("/v1/sources/app"))["gaps"] == 0

    serving(settings, second)


def test_a_source_is_drawn_from_an_earlier_position_again_when_somebody_says_so(tmp_path, webhook, elastic):
    log = tmp_path / "app.log"
    log.write_text(f"{LINE}\n{LINE}\n")
    sources = [{"name": "app", "type": "file", "options": {"path": str(log)}}]

    async def work(node, client, _):
        def drawn(n):
            return lambda: node.delivery.source(DEFAULT_TENANT, "app").events == n

        await wait_until(drawn(2))
        middle = (await client.get("/v1/sources/app"))["position"]
        with log.open("a") as file:
            file.write(f"{LINE}\n")
        await wait_until(drawn(3))
        await client.post("/v1/sources/app/rewind", json.dumps({"position": middle}).encode())
        await wait_until(drawn(4))
        await client.post("/v1/sources/app/rewind", b"{}")
        await wait_until(drawn(7))
        answer = await client.ask("POST", "/v1/sources/app/rewind", json.dumps({"position": "x" * 20_000}).encode())
        assert answer.status == 422
        assert (await client.ask("POST", "/v1/sources/nobody/rewind", b"{}")).status == 404

    serving(settings_of(tmp_path, webhook, elastic, sources={"each": sources}), work)


def test_who_sends_to_a_collector_can_send_to_a_node(tmp_path, webhook, elastic):
    async def work(node, client, token):
        splunk = {"Authorization": f"Splunk {token}"}
        body = json.dumps({"event": EVENT}) + json.dumps({"event": LINE, "host": "ws-7"})
        path = "/services/collector/event"
        answer = await client.ask("POST", path, body.encode(), **splunk)
        assert (answer.status, json.loads(answer.data)) == (200, {"text": "Success", "code": 0})
        for content, headers, status, code in (
            (b"", splunk, 400, 5),
            (b'{"no":1}', splunk, 400, 12),
            (b'{"event":""}', splunk, 400, 13),
            (b'{"event":', splunk, 400, 6),
            (b'{"event":"x"}', {"Authorization": "Splunk nobody"}, 403, 4),
            (b'{"event":"x"}', {"Authorization": f"Bearer {token}"}, 401, 3),
        ):
            answer = await client.ask("POST", path, content, **headers)
            assert (answer.status, json.loads(answer.data)["code"]) == (status, code), content
        acked = await client.ask("POST", path, b'{"event":"y"}', **splunk, X_Splunk_Request_Channel="c")
        ack = json.loads(acked.data)["ackId"]
        body = json.dumps({"acks": [ack]}).encode()
        found = await client.ask("POST", "/services/collector/ack?channel=c", body, **splunk)
        assert json.loads(found.data) == {"acks": {str(ack): True}}
        await node.settled()
        assert [one.hits for one in await node.findings.list(DEFAULT_TENANT)] == [2]

    serving(settings_of(tmp_path, webhook, elastic), work)
