"""Two real nodes over their API: one's ledger, the other its witness and neighbour."""

import asyncio
import contextlib
import dataclasses

import httpx
import pytest

from phalanx.api import create_app
from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, HttpAnswer, Put, TenantId, Unavailable, derive_id
from phalanx.ledger import LedgerTampered, verify_checkpoint
from phalanx.ledger._case_pages import CASE_PAGES
from phalanx.ledger._note import parse_note
from phalanx.ledger.evidence import verify_bundle
from phalanx.ledger.witness import AddCheckpoint, Cosigner, Head, TrustedLog
from phalanx.node import Settings, build_node, open_ports
from phalanx.testing import SimLog
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("IRS-4")

LOG, WITNESS = "http://log", "http://witness"


class AsgiCalls:
    """HTTP between applications in one process, through their whole stack."""

    def __init__(self):
        self.apps = {}

    async def post(self, url, body, *, content_type, max_bytes, within_s):
        base = next((base for base in self.apps if url.startswith(base)), None)
        if base is None:
            raise Unavailable(url, "nobody is there")
        async with self.client(base) as http:
            answer = await http.post(url, content=body, headers={"Content-Type": content_type})
        return HttpAnswer(answer.status_code, answer.headers.get("content-type", ""), answer.content)

    def client(self, base, **options):
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.apps[base]), base_url=base, **options)


def entry(number):
    return AuditEntry(
        id=derive_id(1, "test", str(number)), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=number,
        actor="policy", action="approved", subject=str(number), case="host-1",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def two_nodes(tmp_path):
    calls = AsgiCalls()
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for name in ("log", "witness"):
            folder = Settings.model_validate({"node": {"data_dir": tmp_path / name, "drain_s": 0}})
            ports[name] = dataclasses.replace(await stack.enter_async_context(open_ports(folder)), calls=calls)
        keys = SimLog(ports["log"].signer, ports["log"].clock)
        log_keys = [str(key) for key in TrustedLog.of(keys.origin, keys.public_key).keys]
        witness_keys = [str(key) for key in Cosigner(ports["witness"].signer).keys.keys]
        sections = {
            "log": {"witnesses": [{"url": f"{WITNESS}/v1/witness", "keys": witness_keys}], "neighbours": [WITNESS]},
            "witness": {"witness_for": [{"keys": log_keys, "url": LOG}]},
        }
        nodes = []
        for name, base in (("log", LOG), ("witness", WITNESS)):
            settings = Settings.model_validate({"node": {"name": name, "drain_s": 0}, "ledger": sections[name]})
            node = await stack.enter_async_context(build_node(settings, ports[name]))
            calls.apps[base] = create_app(node)
            nodes.append(node)
        yield calls, *nodes


def on_two(tmp_path, main):
    async def run():
        async with two_nodes(tmp_path) as (calls, log, witness):
            return await main(calls, log, witness)

    return asyncio.run(run())


async def token(node):
    issued = await node.tokens.issue(DEFAULT_TENANT, "admin", Role.ADMIN)
    return {"Authorization": f"Bearer {issued.secret}"}


def test_a_node_has_its_checkpoints_cosigned_by_another(tmp_path):
    async def main(calls, log, witness):
        for number in range(3):
            await log.ledger.record(entry(number))
        await log.vouching.witnesses.round()
        async with calls.client(LOG, headers=await token(log)) as http:
            shown = (await http.get("/v1/ledger/checkpoint")).json()
            note = parse_note(shown["note"])
            assert verify_checkpoint(shown["note"], log.ledger.public_key).size == log.ledger.size
            assert witness.vouching.witness.keys.verify(note, Head.of(note)) >= shown["signed_at_s"]
            (found,) = (status := (await http.get("/v1/ledger/witnesses")).json())["witnesses"]
            assert (found["size"], found["behind"], found["problem"]) == (log.ledger.size, 0, "")
            assert (status["size"], status["quorum"], status["degraded"]) == (log.ledger.size, 1, False)
            proof = (await http.get(f"/v1/ledger/{entry(1).id}/proof")).json()
            assert proof["checkpoint"]["note"] == shown["note"]
        async with calls.client(WITNESS, headers=await token(witness)) as http:
            (head,) = (await http.get("/v1/ledger/witnessed")).json()["items"]
            assert (head["origin"], head["size"], head["open"]) == (log.ledger.origin, log.ledger.size, 0)

    on_two(tmp_path, main)


def test_what_a_witness_answers_over_http_is_what_the_specification_says(tmp_path):
    async def main(calls, log, witness):
        await log.ledger.record(entry(1))
        note = (await log.ledger.checkpoint()).note
        async with calls.client(WITNESS) as http:

            async def add(old, note, proof=()):
                return await http.post("/v1/witness/add-checkpoint", content=AddCheckpoint(old, proof, note).to_bytes())

            cosigned = await add(0, note)
            assert cosigned.status_code == 200
            assert cosigned.text.startswith("— phalanx-witness/")
            conflict = await add(0, note)
            assert (conflict.status_code, conflict.text) == (409, f"{log.ledger.size}\n")
            assert conflict.headers["content-type"] == "text/x.tlog.size"
            stranger = (await witness.ledger.checkpoint()).note
            assert (await add(0, stranger)).status_code == 404
            assert (await add(log.ledger.size, note.rsplit("—", 1)[0])).status_code == 403
            assert (await add(log.ledger.size + 1, note)).status_code == 400
            assert (await add(log.ledger.size, note, (bytes(32),))).status_code == 422
            assert (await http.post("/v1/witness/add-checkpoint", content=b"?")).status_code == 400
            assert (await http.post("/v1/witness/add-checkpoint", content=b"x" * 100_000)).status_code == 413
            assert (await http.post("/v1/ledger/gossip", content=b"?")).status_code == 422
            keys = (await http.get("/v1/witness")).json()
            assert keys["fingerprint"] == witness.ledger.public_key.fingerprint

    on_two(tmp_path, main)


def test_a_history_shown_only_to_a_neighbour_is_found_by_both(tmp_path):
    async def main(calls, log, witness):
        for number in range(4):
            await log.ledger.record(entry(number))
        await log.vouching.witnesses.round()
        # Somebody who has the key shows the neighbour another history.
        lie = SimLog(log.ledger._signer, log.clock)
        lie.append(*(b"not what was recorded" for _ in range(log.ledger.size)))
        trusted = log.vouching.log
        await witness.vouching.gossip.saw(trusted, (await lie.checkpoint()).note, source="somebody")
        await log.vouching.gossip.round()
        for node, base in ((log, LOG), (witness, WITNESS)):
            async with calls.client(base, headers=await token(node)) as http:
                (found,) = (await http.get("/v1/ledger/split-views")).json()["items"]
                assert found["origin"] == log.ledger.origin
                entries = (await http.get("/v1/ledger")).json()["items"]
                assert entries[-1]["action"] == "split-view-found"
                assert entries[-1]["body"]["first"] == found["evidence"]["first"]
            assert next(alert.level.value for alert in node.alerts.recent()) == "urgent"

    on_two(tmp_path, main)


def test_a_case_is_exported_for_its_tenant_alone(tmp_path):
    async def main(calls, log, witness):
        for number in range(3):
            await log.ledger.record(entry(number))
        await log.vouching.witnesses.round()
        async with calls.client(LOG, headers=await token(log)) as http:
            file = await http.get("/v1/ledger/bundle", params={"case": "host-1"})
            assert file.status_code == 200
            report = verify_bundle(file.content, fingerprint=log.ledger.public_key.fingerprint)
            # Before them, the node has said who it is.
            first = report.entries[0][0]
            assert [index for index, _ in report.entries] == [first, first + 1, first + 2]
            assert [name for name, _ in report.witnesses] == [witness.vouching.witness.keys.name]
            assert (await http.get("/v1/ledger/bundle", params={"case": "host-2"})).status_code == 404
            assert (await http.get("/v1/ledger/bundle")).status_code == 422
        other = await log.tokens.issue(TenantId("other"), "theirs", Role.VIEWER)
        async with calls.client(LOG, headers={"Authorization": f"Bearer {other.secret}"}) as http:
            assert (await http.get("/v1/ledger/bundle", params={"case": "host-1"})).status_code == 404
        async with calls.client(LOG) as http:
            assert (await http.get("/v1/ledger/bundle", params={"case": "host-1"})).status_code == 401

    on_two(tmp_path, main)


def test_after_a_tenant_is_shredded_its_evidence_still_verifies_without_payloads(tmp_path):
    async def main(calls, log, witness):
        theirs = TenantId("other")
        await log.ledger.record(dataclasses.replace(entry(1), tenant=theirs))
        await log.vault.shred(theirs)
        viewer = await log.tokens.issue(theirs, "theirs", Role.VIEWER)
        async with calls.client(LOG, headers={"Authorization": f"Bearer {viewer.secret}"}) as http:
            report = verify_bundle((await http.get("/v1/ledger/bundle", params={"case": "host-1"})).content)
        assert (len(report.entries), report.undisclosed) == (1, 1)

    on_two(tmp_path, main)


def test_an_export_from_a_changed_index_is_refused_with_what_to_do(tmp_path):
    async def main(calls, log, witness):
        for number in range(3):
            await log.ledger.record(entry(number))
        async with calls.client(LOG, headers=await token(log)) as http:
            assert (await http.get("/v1/ledger/bundle", params={"case": "host-1"})).status_code == 200
            (page,) = await log.store.scan(CASE_PAGES, DEFAULT_TENANT)
            await log.store.commit([Put(CASE_PAGES, DEFAULT_TENANT, page.key, page.value[:-8] + bytes(8))])
            answer = await http.get("/v1/ledger/bundle", params={"case": "host-1"})
            assert (answer.status_code, answer.json()["code"]) == (409, "ledger-tampered")
            assert "case index" in answer.json()["detail"]
            assert "phalanx ledger reindex" in answer.json()["hint"]
        # Whoever follows the ledger finds it as well, and people are told.
        with pytest.raises(LedgerTampered, match="case index"):
            await log.vouching.evidence.cases.catch_up()

    on_two(tmp_path, main)
