"""The TAXII client against a server that we did not write (`medallion`), and against our own."""

import contextlib
import json
import threading

import httpx
import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.intel.sharing import Audience, read_bundle

pytestmark = pytest.mark.requirement("INT-4")

INDICATORS = [
    {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{n:012d}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '198.51.100.{n}']", "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
    }
    for n in range(7)
]  # fmt: skip
COLLECTION = "365fed99-08fa-fdcd-a1b3-fb247eb41d01"


@contextlib.contextmanager
def medallion(tmp_path):
    """A medallion server on loopback; gives its address."""
    pytest.importorskip("medallion", reason="the extra `dev` brings it")
    from flask import Flask
    from medallion import auth, register_blueprints, set_config
    from medallion import handle_processing_error as on_error
    from medallion.exceptions import ProcessingError
    from werkzeug.serving import make_server

    data = {
        "/discovery": {"title": "Medallion", "default": "/trustgroup1/", "api_roots": ["/trustgroup1/"]},
        "trustgroup1": {
            "information": {"title": "Root", "versions": ["application/taxii+json;version=2.1"],
                            "max_content_length": 9765625},
            "status": [],
            "collections": [{
                "id": COLLECTION, "title": "Medallion's", "can_read": True, "can_write": True,
                "media_types": ["application/stix+json;version=2.1"], "objects": INDICATORS,
                "manifest": [
                    {"id": one["id"], "date_added": f"2026-02-01T00:00:0{n}.000001Z", "version": one["modified"],
                     "media_type": "application/stix+json;version=2.1"}
                    for n, one in enumerate(INDICATORS)
                ],
            }],
        },
    }  # fmt: skip
    file = tmp_path / "medallion.json"
    file.write_text(json.dumps(data))
    app = Flask("medallion")
    app.register_error_handler(ProcessingError, on_error)
    assert auth is not None
    set_config(app, "users", {"users": {"phalanx": "secret"}})
    set_config(app, "taxii", {"taxii": {"max_page_size": 3}})
    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(file)}
    set_config(app, "backend", {"backend": backend})
    register_blueprints(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sources(tmp_path, url, collection, user="phalanx", secret="secret", **more):
    file = tmp_path / "secret"
    file.write_text(secret)
    file.chmod(0o600)
    # The node itself asks once when it begins, and then not before the test is over.
    wanted = {"name": "there", "url": url, "collection": collection, "user": user, "secret": file, "every_s": 3_600}
    return {"taxii": {"sources": [wanted | more]}}


def own(served):
    return {"Authorization": f"Bearer {served.secrets['own']}"}


async def nothing(served):
    return None


def test_it_pulls_from_medallion_and_pushes_to_it(on_served, tmp_path):
    with medallion(tmp_path) as url:

        async def prepare(served):
            mine = await served.collection("mine", Audience.PARTNER)
            new = [one | {"id": one["id"].replace("-0000-4", "-0001-4")} for one in INDICATORS[:4]]
            objects = read_bundle(json.dumps({"objects": new}).encode()).objects
            await served.node.sharing.exchange.add(DEFAULT_TENANT, mine, objects)

        def work(served, _):
            with httpx.Client(base_url=served.url, headers=own(served), timeout=60) as http:
                pulled = http.post("/v1/sharing/sources/there/pull").raise_for_status().json()
                assert pulled["problem"] == ""
                assert pulled["added_after"] == "2026-02-01T00:00:06.000001Z"
                got = http.get("/v1/sharing/bundle", params={"collection": "from-there"}).raise_for_status().json()
                assert sorted(got["objects"], key=lambda one: one["id"]) == INDICATORS
                pushed = http.post("/v1/sharing/sources/there/push", params={"collection": "mine"}).raise_for_status()
                assert pushed.json() == {"sent": 4, "failed": 0}
                http.post("/v1/sharing/sources/there/pull").raise_for_status()
                got = http.get("/v1/sharing/bundle", params={"collection": "from-there"}).raise_for_status().json()
                assert len(got["objects"]) == 11
                exports = http.get("/v1/sharing/exports").json()["items"]
                assert [(one["way"], one["objects"]) for one in exports] == [("bundle", 11), ("push", 4), ("bundle", 7)]

        on_served(prepare, work, **sources(tmp_path, f"{url}/trustgroup1/", COLLECTION))


def test_discovery_of_medallion_by_the_command(tmp_path):
    from click.testing import CliRunner

    from phalanx.cli.intel._group import intel

    with medallion(tmp_path) as url:
        sources(tmp_path, url, COLLECTION)
        arguments = ["taxii", "discover", f"{url}/taxii2/", "--user", "phalanx", "--secret", str(tmp_path / "secret")]
        said = CliRunner().invoke(intel, [*arguments, "--json"], catch_exceptions=False)
        found = json.loads(said.output)
        assert found["title"] == "Medallion"
        assert [one["id"] for one in found["roots"][0]["collections"]] == [COLLECTION]
        assert "Medallion's" in CliRunner().invoke(intel, arguments, catch_exceptions=False).output


def test_a_wrong_secret_is_noted_with_the_source(on_served, tmp_path):
    with medallion(tmp_path) as url:

        def work(served, _):
            with httpx.Client(base_url=served.url, headers=own(served), timeout=60) as http:
                answer = http.post("/v1/sharing/sources/there/pull")
                assert (answer.status_code, answer.json()["code"]) == (502, "taxii-refused")
                (state,) = http.get("/v1/sharing/sources").json()["items"]
                assert "401" in state["problem"]

        on_served(nothing, work, **sources(tmp_path, f"{url}/trustgroup1/", COLLECTION, secret="wrong"))


def test_it_pulls_from_our_own_server(on_served, tmp_path):
    async def prepare(served):
        shared = await served.collection("shared", readers=["acme"], writers=["acme"])
        objects = read_bundle(json.dumps({"objects": INDICATORS}).encode()).objects
        await served.node.sharing.exchange.add(DEFAULT_TENANT, shared, objects)
        return shared

    async def work(served, shared):
        from phalanx.adapters import HttpAsker, SystemClock
        from phalanx.intel.sharing import Credentials, TaxiiClient

        with contextlib.closing(HttpAsker()) as asks:
            client = TaxiiClient(
                asks, SystemClock(), f"{served.url}/taxii2/", Credentials(secret=served.secrets["acme"])
            )
            (root,) = (await client.discover())["api_roots"]
            (one,) = await client.collections(root)
            assert one["id"] == shared.id
            seen, after, last = [], "", ""
            while True:
                page = await client.page(root, shared.id, added_after="", after=after, limit=3)
                seen += [each.raw for each in page.read.objects]
                after, last = page.next, page.last_added
                if not after:
                    break
            assert seen == INDICATORS
            assert (await client.page(root, shared.id, added_after=last, after="", limit=3)).read.objects == ()
            status = await client.push(root, shared.id, page.read.objects)
            assert (status["status"], status["success_count"]) == ("complete", 1)

    on_served(prepare, work)
