"""Indicators through a node that listens: put, asked about, found in events, removed; and the command."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._main import root
from phalanx.cli.intel._group import intel
from phalanx.core import DEFAULT_TENANT

LINE = json.dumps({
    "ts": 1772442000.0, "uid": "C1", "id.orig_h": "10.0.0.7", "id.orig_p": 5000, "id.resp_h": "45.13.9.9",
    "id.resp_p": 53, "proto": "udp", "query": "a.evil-name.com", "qtype_name": "A", "_path": "dns",
}).encode()  # fmt: skip


@pytest.mark.requirement("INT-2")
def test_what_is_put_is_found_in_events_and_not_once_it_is_removed(on_served, tmp_path):
    feed = tmp_path / "feed.csv"
    feed.write_text("type,value,confidence,tags\ndomain,evil-name.com,90,c2\nip,10.1.1.1,50,\nurl,no url,1,\n")

    async def prepare(served):
        await served.node.intake.accept(LINE, tenant=DEFAULT_TENANT)
        await served.node.sentinel.drained()

    def work(served, _):
        def call(*arguments):
            done = CliRunner().invoke(
                intel,
                ["indicators", *arguments, "--url", served.url, "--token", served.secrets["own"], "--json"],
            )
            assert done.exit_code == 0, done.output
            return json.loads(done.output)

        put = call("import", str(feed), "--name", "Feed of things")
        assert (put["taken"], put["refused"]) == (1, 2)
        assert {"value": "10.1.1.1", "reason": "on a warninglist: reserved by standards"} in put["told"]
        [match] = call("match", "www.evil-name.com", "fine.org", "...")
        assert (match["indicator"], match["source"], match["confidence"]) == ("evil-name.com", "feed.csv", 0.9)
        assert [row["labels"] for row in call("list")] == [["c2"]]
        assert call("show", "evil-name.com")["known"][0]["name"] == "Feed of things"
        found = call("retro")
        assert [hit["title"] for hit in found["hits"]] == ["Domain on a list of indicators: evil-name.com"]
        assert found["whole"]
        stats = call("stats")
        assert (stats["entries"], stats["kinds"], stats["markings"]) == (1, {"domain": 1}, {"TLP:AMBER": 1})
        assert (stats["sources"], stats["exact"]) == ({"feed.csv": 1}, True)
        call("add", "45.13.0.0/16", "--confidence", "0.8", "--marking", "green")
        assert call("match", "45.13.9.9")[0]["marking"] == "TLP:GREEN"
        assert len(call("retro")["hits"]) == 2
        call("remove", "evil-name.com", "--reason", "our partner's")
        known = call("show", "www[.]evil-name[.]com")
        assert known["known"] == []
        assert call("stats")["kinds"] == {"network": 1}
        known = call("show", "evil-name.com")
        assert [(one["withdrawn"], one["source"]) for one in known["changes"]] == [(True, ""), (False, "feed.csv")]
        entries = json.loads(
            CliRunner().invoke(
                root,
                ["ledger", "list", "--action", "indicators.", "--url", served.url, "--token", served.secrets["own"],
                 "--json"],
            ).output
        )  # fmt: skip
        told = [(one["action"], one["subject"], one["body"].get("why", "")) for one in entries]
        assert ("indicators.withdrawn", "evil-name.com", "our partner's") in told
        assert ("indicators.put", "feed.csv", "") in told
        call("remove", "--source", "by hand")
        assert call("match", "www.evil-name.com", "45.13.9.9") == []

    on_served(prepare, work)


def test_an_event_with_an_indicator_becomes_a_finding(on_served):
    async def prepare(served):
        from phalanx.intel.indicators import Indicator, Kind

        await served.node.indicators.put_many(
            DEFAULT_TENANT, [Indicator(kind=Kind.DOMAIN, value="evil-name.com", source="feed", confidence=0.9)]
        )
        await served.node.intake.accept(LINE, tenant=DEFAULT_TENANT)
        await served.node.sentinel.drained()
        found = await served.node.findings.list(DEFAULT_TENANT)
        return [one for one in found if one.rule == "indicator domain evil-name.com"]

    def work(served, found):
        assert len(found) == 1
        assert found[0].title == "Domain on a list of indicators: evil-name.com"
        arguments = ["indicators", "show", "evil-name.com", "--url", served.url, "--token", served.secrets["own"]]
        known = json.loads(CliRunner().invoke(intel, [*arguments, "--json"]).output)
        assert [one["id"] for one in known["findings"]] == [found[0].id]
        assert [one["state"] for one in known["known"]] == ["looked for"]
        told = CliRunner().invoke(intel, arguments).output
        for said in ("evil-name.com (domain) from feed: looked for", "Its past", found[0].id):
            assert said in told

    on_served(prepare, work)
