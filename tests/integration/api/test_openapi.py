"""The document at /openapi.json is complete, and what the node answers is what it says."""

import hashlib
import re

import numpy as np
import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.agents import OrderRequest
from phalanx.allocation import Ask, Bookable
from phalanx.allocation.money import Period
from phalanx.consensus import (
    COMMIT,
    PREPARE,
    Agreement,
    Certificate,
    EpochSeal,
    Instance,
    Question,
    Vote,
    contradiction,
)
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, AlertLevel, LogSource
from phalanx.crypto import SLH_DSA_SHA2_128F, HybridSigner, SigningKey
from phalanx.crypto.sharing import Keyholder, begin_ceremony, make_escrow
from phalanx.devices import HostReading
from phalanx.intel.models import Labelled, TrainingOptions, train_model
from phalanx.intel.sharing import Audience, Reader
from phalanx.intel.sharing import Query as SharedQuery
from phalanx.ledger.witness import AddCheckpoint, TrustedLog
from phalanx.messaging import Kind, Member
from phalanx.node import quarantine
from phalanx.quantum import Gates
from phalanx.testing import SimLog
from phalanx.testing.consensus import ideal_epoch

METHODS = {"get", "post", "put", "patch", "delete"}
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document, reference):
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def conforms(document, schema, value, where="$"):
    """JSON Schema 2020-12, as far as these schemas use it; raises AssertionError naming the place."""
    while "$ref" in schema:
        schema = resolve(document, schema["$ref"])
    if "anyOf" in schema:
        assert any(fits(document, choice, value) for choice in schema["anyOf"]), f"{where}: {value!r} fits no choice"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
    kind = schema.get("type")
    if kind == "null":
        assert value is None, where
    elif kind is not None:
        assert isinstance(value, TYPES[kind]), f"{where}: {value!r} is no {kind}"
        assert kind == "boolean" or not isinstance(value, bool), where
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        missing = [name for name in schema.get("required", ()) if name not in value]
        assert not missing, f"{where}: {missing} are missing"
        for name, one in value.items():
            assert name in properties or others is not False, f"{where}: {name} is not documented"
            conforms(document, properties.get(name, others if isinstance(others, dict) else {}), one, f"{where}.{name}")
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), where
        for place, one in enumerate(value):
            inner = first[place] if place < len(first) else schema.get("items", {})
            conforms(document, inner, one, f"{where}[{place}]")


def fits(document, schema, value):
    try:
        conforms(document, schema, value)
    except AssertionError:
        return False
    return True


async def leave_a_letter(node):
    """The id of an envelope whose recipient left before it took it."""
    a, b = node.bus.join(Member("a")), node.bus.join(Member("b"))
    a.send_nowait(Kind.COORDINATION, b.address, b"")
    b.leave()
    await node.bus.dead_letters.flush()
    (letter,) = await node.bus.dead_letters.listed(DEFAULT_TENANT)
    return letter.id


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


@pytest.mark.requirement("API-1")
def test_the_document_is_whole(on_node):
    async def work(api):
        document = (await api.http.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1.")
        for reference in references(document):
            assert resolve(document, reference), reference
        names = [operation["operationId"] for _, operation in operations(document)]
        assert len(names) == len(set(names)) >= 25
        schemes = set(document["components"]["securitySchemes"])
        for name, operation in operations(document):
            assert operation.get("summary"), name
            assert "application/problem+json" in operation["responses"]["default"]["content"], name
            success = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            assert success, name
            if "204" in operation["responses"]:
                continue  # nothing is said besides that it is done
            assert all(media["schema"] for answer in success for media in answer["content"].values()), name
            assert all(set(choice) <= schemes for choice in operation.get("security", [])), name
            inside = set(re.findall(r"{(\w+)}", name))
            assert {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"} == inside, name
        for name, schema in document["components"]["schemas"].items():
            assert schema.get("description"), name
            assert "    " not in schema["description"], name
            assert "._" not in name, "clients are told where a class lies"

    on_node(work)


async def book_something(api):
    await api.node.reservations.declare(Bookable(name="slots", capacity=2))
    ask = Ask(demands={"slots": 1}, duration_ns=NS_PER_S, earliest_ns=api.node.clock.wall_ns())
    await api.node.reservations.book(DEFAULT_TENANT, ask)
    # Named like the device, since what is asked for by name is asked for under one name here.
    await api.node.budgets.put(DEFAULT_TENANT, "local.statevector", unit="shots", limit=100, period=Period.DAY)
    await api.node.jobs.submit(DEFAULT_TENANT, Gates(1).h(0).measure(0).circuit(), shots=8)


def small_model():
    """A model that was trained on next to nothing."""
    sizes = [float(number % 97) for number in range(400)]
    rows = Labelled({"orig_bytes": sizes}, np.array([size > 60 for size in sizes]))
    options = TrainingOptions(name="small", title="Small", log_source=LogSource("zeek"), trees=3, order="random")
    return train_model(rows, options, data="numbers")


async def say_something(http):
    """Suppress what does not happen, judge what did, and look for a value; the finding's id."""
    (await http.post("/v1/indicators?source=feed", content=b"evil-name.com")).raise_for_status()
    wanted = {"rule": "dns-tunnel", "reason": "our own resolver"}
    (await http.post("/v1/suppressions", json=wanted)).raise_for_status()
    (await http.post("/v1/hunts/saved", json={"name": "shells", "query": "host:web-1"})).raise_for_status()
    table = b"network,latitude,longitude\n192.0.2.0/24,59.3,18.1\n"
    loaded = await http.post(f"/v1/places?digest={hashlib.sha256(table).hexdigest()}", content=table)
    loaded.raise_for_status()
    (await http.post("/v1/models", content=small_model().to_bytes())).raise_for_status()
    finding = (await http.get("/v1/findings")).json()["items"][0]["id"]
    (await http.post(f"/v1/findings/{finding}/opinions", json={"verdict": "true"})).raise_for_status()
    return finding


# No threshold moved in so few events.
_EMPTY = {"/v1/thresholds/history", "/v1/workflows/workers"}


@pytest.mark.requirement("API-1")
def test_what_the_node_answers_is_what_the_document_says(on_node, tmp_path):
    async def work(api):
        await api.http.post("/v1/events", content=b"{broken\n", headers={"Content-Type": "text/plain"})
        taken = await api.intrusion()
        api.node.alerts.alert(AlertLevel.NOTICE, "api", "something to be shown", count=1.0)
        await show_two_histories(api.node, signer)
        escrow = await put_into_escrow(api.node)
        await anchor(api.node)
        epoch = await agree(api.node)
        await api.node.identities.rotate(api.node.identities.node.subject, actor="tester")  # leaves a list
        await catch_a_traitor(api.node)
        document = (await api.http.get("/openapi.json")).json()
        post = document["paths"]["/v1/events"]["post"]["responses"]["202"]["content"]["application/json"]["schema"]
        conforms(document, post, taken)
        event = taken["first_event"]
        known = {"trace_id": event, "event_id": event, "code": "overloaded", "escrow_id": escrow.id}
        artefact = await api.node.artefacts.put(DEFAULT_TENANT, b"a capture", name="capture", actor="tester")
        known |= {"artefact_id": artefact.id, "letter_id": await leave_a_letter(api.node)}
        known |= {"name": "local.statevector", "pool": "agents", "digest": epoch.id.hex(), "technique_id": "T1059"}
        await share_something(api.node)
        said = HostReading(cores=2, busy=0.5, load_1m=None, memory_bytes=4, memory_used_bytes=1)
        await api.node.workers.observe("rack7", said)
        known["worker"] = "worker.rack7"
        known["line_id"] = (await api.http.get("/v1/events/quarantine")).json()["items"][0]["id"]
        known["finding"] = await say_something(api.http)
        known["model"] = "small"
        wanted = OrderRequest(objective="look again", wanted=("assessment",), subjects=(event,))
        known |= {"sink_name": "hook", "source_name": "app"}
        known["order_id"] = (await api.node.swarm.orders.place(DEFAULT_TENANT, wanted, by="tester")).id
        known["agent"] = (await quarantine(api.node, "analyst-1.1", "a test", by="tester")).successor
        await api.node.clock.sleep(0.5)
        await book_something(api)
        known["job_id"] = (await api.http.get("/v1/jobs")).json()["items"][0]["id"]
        known["mission"] = (await api.http.get("/v1/agents/missions")).json()["items"][0]["id"]
        known |= {"workflow": "incident-triage", "run": (await api.http.get("/v1/runs")).json()["items"][0]["id"]}
        entries = (await api.http.get("/v1/ledger")).json()["items"]
        asked = {
            "/v1/ledger/bundle": {"case": next(entry["case"] for entry in entries if entry["case"])},
            "/v1/keys/identities/chain": {"name": api.node.identities.node.chain.leaf.body.subject},
            "/v1/keys/identities/revocations": {"issuer": "organisation:local"},
            **{
                f"/v1/reports/{name}": {"from": "2020-01-01", "to": "2100-01-01"}
                for name in ("chargeback", "charges", "sla")
            },
            "/v1/reports/revenue": {"from": "2020-01-01", "to": "2100-01-01"},
            "/v1/places/at": {"address": "192.0.2.7"},
            "/v1/indicators/known": {"value": "evil-name.com"},
        }
        checked = 0
        for path, item in document["paths"].items():
            content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
            # A node by itself is in no cluster, and says so.
            if "application/json" not in content or path in {
                "/v1/cluster",
                "/v1/agents/succession",
                "/v1/manager/job",
                "/v1/manager/jobs",
                "/v1/batches/{batch}",
                "/v1/messages/topology",
            }:
                continue
            if path.startswith(
                ("/v1/agent-reports", "/v1/correlations", "/v1/foresights", "/v1/incidents", "/v1/rehearsals")
            ):
                # One case alone is related to none, nothing was approved, and nobody ordered foresight.
                continue
            if "{" in path and not any(f"{{{name}}}" in path for name in known):
                listing = (await api.http.get(path.partition("/{")[0].replace("/cases", "/findings"))).json()["items"]
                known |= {"key": listing[0]["id"], "entry_id": listing[0]["id"], "case": listing[0].get("case", "")}
            answer = await api.http.get(path.format(**known), params=asked.get(path))
            known.pop("key", None)
            known.pop("entry_id", None)
            known.pop("case", None)
            assert answer.status_code == 200, path
            if "items" in answer.json():
                # Which duties there are is for plug-ins to say; the sink refused nothing, its peer is not there.
                assert answer.json()["items"] or path in {
                    "/v1/batches",
                    "/v1/duties",
                    "/v1/sinks/{sink_name}/dead-letters",
                    "/v1/allocation/limits",  # what is emulated does not age, and nothing waits for it
                    "/v1/allocation/policies",  # no job ran on a machine: nothing is known of what policies are worth
                    *_EMPTY,
                }, path
            conforms(document, content["application/json"]["schema"], answer.json(), path)
            checked += 1
        assert checked >= 20
        problem = await api.http.get("/v1/findings?limit=0")
        conforms(document, document["components"]["schemas"]["Problem"], problem.json())

    signer = HybridSigner.generate()
    keys = [str(key) for key in TrustedLog.of(SimLog(signer, SystemClock()).origin, signer.public).keys]
    elsewhere = {"name": "nowhere", "url": "http://127.0.0.1:9/", "collection": "c"}
    secret = tmp_path / "hook.key"
    secret.write_text("secret")
    secret.chmod(0o600)
    hook = {"name": "hook", "type": "webhook", "options": {"url": "http://127.0.0.1:9", "secret_file": str(secret)}}
    app = {"name": "app", "type": "file", "options": {"path": str(tmp_path / "app.log")}}
    on_node(
        work, ledger={"witness_for": [{"keys": keys}]}, taxii={"sources": [elsewhere]}, sinks={"each": [hook]},
        sources={"each": [app]},
    )  # fmt: skip


async def agree(node):
    """Some council decides something."""
    epoch, signers, _ = ideal_epoch(4)
    instance = Instance(epoch, Question(("a", "b"), bytes(32)))
    statement = instance.vote_statement(1, COMMIT, 0)
    signatures = tuple(signer.sign(statement) for signer in signers[:3])
    certificate = Certificate(instance.slot, 1, COMMIT, 0, (0, 1, 2), signatures)
    await node.agreements.keep_epoch(epoch, EpochSeal.of(epoch, node.identities.node), accepted=4)
    await node.agreements.keep(DEFAULT_TENANT, NO_TRACE, Agreement(instance, certificate))
    return epoch


async def catch_a_traitor(node):
    """A participant of some council votes for both options."""
    epoch, signers, _ = ideal_epoch(4)
    instance = Instance(epoch, Question(("a", "b"), bytes(32)))
    votes = [
        Vote(instance.slot, 1, 1, PREPARE, one, signers[1].sign(instance.vote_statement(1, PREPARE, one)))
        for one in (0, 1)
    ]
    await node.agreements.convict(DEFAULT_TENANT, instance, contradiction(*votes))


async def share_something(node):
    """Somebody adds an object to a collection, and somebody takes it."""
    exchange, somebody = node.sharing.exchange, Reader("partner", partner=False, may_write=True)
    made = await exchange.collections.make(DEFAULT_TENANT, "shared", audience=Audience.PARTNER, by="tester")
    url = b'{"objects":[{"type":"url","id":"url--00000000-0000-4000-8000-000000000000","value":"http://x.example"}]}'
    await exchange.take(DEFAULT_TENANT, made, somebody, url)
    await exchange.hand_over(DEFAULT_TENANT, made, somebody, SharedQuery())


async def anchor(node):
    key = SigningKey.generate(SLH_DSA_SHA2_128F)
    await node.anchors.announce(key.public, node.ledger)
    await node.anchors.sign(key, await node.ledger.checkpoint(), "2026-03-02")


async def show_two_histories(node, signer):
    """A ledger of somebody else has a checkpoint cosigned, and shows another history afterwards."""
    log = SimLog(signer, node.clock)
    log.append(b"1", b"2")
    lie = log.fork(1)
    lie.append(b"lie")
    await node.vouching.witness.add_checkpoint(AddCheckpoint(0, (), (await log.checkpoint()).note).to_bytes())
    trusted = TrustedLog.of(log.origin, signer.public)
    await node.vouching.gossip.saw(trusted, (await lie.checkpoint()).note)


async def put_into_escrow(node):
    """An escrow with a ceremony."""
    person, now_ns = Keyholder.generate("ada"), node.clock.wall_ns()
    escrow = make_escrow(
        b"secret", escrow_id=node.ids.new(), tenant=DEFAULT_TENANT, at_ns=now_ns, label="a test", threshold=1,
        custodians=[person.card], registrar=node.ledger.public_key, maker=person, entropy=OsEntropy(),
    )  # fmt: skip
    await node.escrows.add(escrow)
    asked = begin_ceremony(escrow, person, ceremony_id=node.ids.new(), purpose="a test", now_ns=now_ns, lasts_s=60)
    await node.escrows.begin(asked)
    return escrow


def test_a_value_that_does_not_conform_is_found():
    schema = {"type": "object", "required": ["a"], "additionalProperties": False,
              "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}  # fmt: skip
    conforms({}, schema, {"a": [1, 2]})
    for wrong in ({}, {"a": [1, "2"]}, {"a": [True]}, {"a": 1}, {"a": [], "b": 1}):
        with pytest.raises(AssertionError):
            conforms({}, schema, wrong)
