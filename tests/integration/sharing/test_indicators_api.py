"""Indicators through a node that listens: put, asked about, found in events, removed; and the command."""

import json

import pytest
from click.testing import CliRunner

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
        assert call("show", "evil-name.com")[0]["name"] == "Feed of things"
        found = call("retro")
        assert [hit["title"] for hit in found["hits"]] == ["Domain on a list of indicators: evil-name.com"]
        assert found["whole"]
        assert call("stats")["entries"] == 1
        call("add", "45.13.0.0/16", "--confidence", "0.8", "--marking", "green")
        assert call("match", "45.13.9.9")[0]["marking"] == "TLP:GREEN"
        assert len(call("retro")["hits"]) == 2
        call("remove", "evil-name.com")
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

    on_served(prepare, work)
