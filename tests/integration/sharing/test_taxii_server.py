"""The TAXII 2.1 server, used by clients that we did not write: `taxii2-client` and `stix2`."""

import contextlib
import http.client as http_client
import json

import httpx
import pytest

from phalanx.intel.sharing import Audience

pytestmark = pytest.mark.requirement("INT-4")

stix2 = pytest.importorskip("stix2", reason="the extra `dev` brings it")
v21 = pytest.importorskip("taxii2client.v21", reason="the extra `dev` brings it")

TAXII = "application/taxii+json;version=2.1"


async def shared(served):
    return await served.collection("shared", readers=["acme"], writers=["acme"])


def indicators(n):
    return [
        stix2.Indicator(
            name=f"bad {place}",
            pattern=f"[ipv4-addr:value = '198.51.100.{place}']",
            pattern_type="stix",
            valid_from="2026-01-01T00:00:00Z",
        )
        for place in range(n)
    ]


def test_stix2s_data_sink_and_source_work_unchanged(on_served):
    def work(served, made):
        root = v21.Server(f"{served.url}/taxii2/", user="anything", password=served.secrets["acme"]).default
        (collection,) = root.collections
        assert (collection.id, collection.can_read, collection.can_write) == (made.id, True, True)
        sink, source = stix2.TAXIICollectionSink(collection), stix2.TAXIICollectionSource(collection, items_per_page=3)
        some = indicators(8)
        sink.add(some)
        assert {one.id for one in source.query()} == {one.id for one in some}
        assert source.get(some[2].id) == some[2]
        newer = some[2].new_version(name="worse")
        sink.add(newer)
        assert source.get(some[2].id) == newer
        assert len(source.all_versions(some[2].id)) == 2
        assert [one.id for one in source.query([stix2.Filter("id", "=", some[5].id)])] == [some[5].id]
        assert source.query([stix2.Filter("type", "=", "malware")]) == []

    on_served(shared, work)


def test_taxii2_client_reaches_every_endpoint(on_served):
    def work(served, made):
        server = v21.Server(f"{served.url}/taxii2/", user="x", password=served.secrets["acme"])
        assert server.title == "A title"
        assert server.contact == "soc@example.org"
        root = server.api_roots[0]
        assert root.versions == [TAXII]
        assert root.max_content_length > 10**6
        collection = root.collections[0]
        some = [json.loads(one.serialize()) for one in indicators(5)]
        status = collection.add_objects({"objects": [*some, {"type": "indicator"}]})
        assert (status.status, status.success_count, status.failure_count, status.pending_count) == (
            "complete",
            5,
            1,
            0,
        )
        assert root.get_status(status.id).failures == status.failures
        manifest = collection.get_manifest(limit=2)
        assert [one["id"] for one in manifest["objects"]] == [one["id"] for one in some[:2]]
        assert manifest["more"]
        pages = list(v21.as_pages(collection.get_objects, per_request=2))
        assert [one for page in pages for one in page["objects"]] == some
        after = manifest["objects"][1]["date_added"]
        assert collection.get_objects(added_after=after)["objects"] == some[2:]
        assert collection.get_object(some[0]["id"])["objects"] == some[:1]
        assert collection.object_versions(some[0]["id"])["versions"] == [some[0]["modified"]]
        collection.delete_object(some[0]["id"])
        with pytest.raises(Exception, match="404"):
            collection.get_object(some[0]["id"])
        assert collection.get_objects(type=["indicator"], limit=1)["more"]
        assert collection.get_objects(spec_version="2.0") == {}

    on_served(shared, work, taxii={"title": "A title", "contact": "soc@example.org"})


def test_headers_media_types_and_errors_are_the_standards(on_served):
    def work(served, made):
        bearer = {"Authorization": f"Bearer {served.secrets['acme']}"}
        with httpx.Client(base_url=served.url, headers=bearer) as http:
            objects = f"/taxii2/default/collections/{made.id}/objects/"
            body = json.dumps({"objects": [json.loads(one.serialize()) for one in indicators(3)]})
            assert http.post(objects, content=body, headers={"Content-Type": "application/json"}).status_code == 415
            posted = http.post(objects, content=body, headers={"Content-Type": TAXII, "Accept": TAXII})
            assert (posted.status_code, posted.headers["content-type"]) == (202, TAXII)
            got = http.get(objects, params={"limit": 2}, headers={"Accept": TAXII})
            dates = [
                one["date_added"] for one in http.get(objects.replace("/objects/", "/manifest/")).json()["objects"]
            ]
            assert got.headers["x-taxii-date-added-first"] == dates[0]
            assert got.headers["x-taxii-date-added-last"] == dates[1]
            rest = http.get(objects, params={"limit": 2, "next": got.json()["next"]})
            assert rest.headers["x-taxii-date-added-first"] == dates[2]
            assert http.get(objects, params={"added_after": dates[2]}).json() == {}
            for path, options, status in (
                (objects, {"headers": {"Accept": "text/html"}}, 406),
                (objects, {"headers": {"Accept": "application/taxii+json;version=2.0"}}, 406),
                (objects, {"params": {"limit": "x"}}, 400),
                (objects, {"params": {"match[colour]": "x"}}, 400),
                ("/taxii2/default/collections/nowhere/", {}, 404),
                ("/taxii2/other/", {}, 404),
                (f"{objects}indicator--00000000-0000-4000-8000-000000000000/", {}, 404),
                ("/taxii2/default/status/x/", {}, 404),
                ("/taxii2/default/no/such", {}, 404),
            ):
                answer = http.get(path, **options)
                assert (answer.status_code, answer.headers["content-type"]) == (status, TAXII), path
                assert answer.json()["http_status"] == str(status)
                assert answer.json()["title"]
            assert announced(served, objects, bearer | {"Content-Type": TAXII, "Content-Length": str(9 * 2**20)}) == 413
            assert http.post(objects, content=b"{", headers={"Content-Type": TAXII}).status_code == 422

    on_served(shared, work)


def announced(served, path, headers):
    """The status of a request whose body is announced, before any of it is sent."""
    host = httpx.URL(served.url)
    connection = http_client.HTTPConnection(host.host, host.port)
    connection.putrequest("POST", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    with contextlib.closing(connection):
        return connection.getresponse().status


def test_who_is_let_in(on_served):
    async def prepare(served):
        await served.collection("inside", Audience.OWN)
        await served.collection("read-only", readers=["acme"])
        return await shared(served)

    def work(served, made):
        def root(name):
            return v21.Server(f"{served.url}/taxii2/", user="x", password=served.secrets[name]).default

        assert {one.title for one in root("own").collections} == {"inside", "read-only", "shared"}
        partner = {one.title: one for one in root("acme").collections}
        assert set(partner) == {"read-only", "shared"}
        assert not partner["read-only"].can_write
        with pytest.raises(Exception, match="writing"):
            partner["read-only"].add_objects({"objects": [json.loads(indicators(1)[0].serialize())]})
        for header in ("", "Bearer phx_x", "Basic !!", "Basic eDp5", "Digest x", f"Bearer {served.secrets['sensor']}"):
            answer = httpx.get(f"{served.url}/taxii2/", headers={"Authorization": header} if header else {})
            assert answer.status_code == (403 if "phx_" in header and header != "Bearer phx_x" else 401)
            if answer.status_code == 401:
                assert "Basic" in answer.headers["www-authenticate"]
        # A partner's token opens nothing else of the node.
        for path in ("/v1/findings", "/v1/events", "/v1/ledger", "/v1/agents"):
            answer = httpx.get(f"{served.url}{path}", headers={"Authorization": f"Bearer {served.secrets['acme']}"})
            assert answer.status_code == 403, path

    on_served(prepare, work)
