"""The page of indicators: one looked up, counts, adding and withdrawing, and who may."""

import html
import json
import re
from urllib.parse import urlencode

import pytest

from phalanx.core import DEFAULT_TENANT, NS_PER_S, TenantId
from phalanx.dashboard import _indicators_page
from phalanx.intel.indicators import EVERYBODY, Indicator, Kind
from phalanx.messaging import Marking
from phalanx.trust import Role

LINE = {
    "ts": 1772442000.0, "uid": "C1", "id.orig_h": "10.0.0.7", "id.orig_p": 5000, "id.resp_h": "45.13.9.9",
    "id.resp_p": 53, "proto": "udp", "query": "a.evil-name.com", "qtype_name": "A", "_path": "dns",
}  # fmt: skip
FORM = {"source": "ticket 7", "name": "C2", "confidence": "0.8", "days": "2", "marking": "TLP:GREEN"}


async def look(visit, value, **more):
    return (await visit.http.get(f"/indicators?{urlencode({'value': value, **more})}")).text


def counted(page, title):
    """Rows of the counts below a title."""
    part = page.partition(f"<h3>{title}</h3>")[2].partition("</ul>")[0]
    return dict(re.findall(r">?([^<>]+?)(?:</a>)? <span>([\d,]+)</span>", part))


@pytest.mark.requirement("API-3")
@pytest.mark.requirement("INT-2")
def test_an_operator_adds_a_value_sees_what_it_matched_and_withdraws_it(on_pages):
    async def work(visit):
        await visit.sign_in(Role.OPERATOR)
        empty = (await visit.http.get("/indicators")).text
        assert "Nothing is looked for yet" in empty
        assert "No source is pulled, and nobody added any yet." in empty
        added = await visit.submit("/indicators", values="evil-name[.]com\r\n10.0.0.1\r\n", **FORM)
        assert added.status_code == 200
        assert "1 value is looked for, 1 refused" in added.text
        assert "10.0.0.1: on a warninglist: reserved by standards" in added.text
        assert ">10.0.0.1</textarea>" in added.text, "what was refused is there to be mended"
        await visit.node.intake.accept(json.dumps(LINE).encode(), tenant=DEFAULT_TENANT)
        await visit.node.settled()
        shown = await look(visit, "www.evil-name.com")
        for told in ("evil-name.com", "ticket 7", "C2", "0.80", "TLP:GREEN", "source: ticket 7"):
            assert told in shown, told
        assert '<span class="tag warn">looked for</span>' in shown
        assert "Domain on a list of indicators: evil-name.com" in shown
        searched = html.unescape(re.search(r'href="(/search[^"]+)">Search stored', shown)[1])
        assert "1 event" in (await visit.http.get(searched.replace("www.", "a."))).text
        assert (await visit.submit("/indicators/withdraw", value="evil-name.com", kind="domain")).status_code == 400
        gone = await visit.submit("/indicators/withdraw", value="evil-name.com", kind="domain", reason="our <partner>")
        assert gone.headers["location"] == "/indicators?value=evil-name.com&as=domain"
        shown = (await visit.http.get(gone.headers["location"])).text
        assert "not looked for" in shown
        assert "evil-name.com was withdrawn" in shown
        assert "a operator</strong> withdrew evil-name.com: our &lt;partner&gt;" in shown
        assert "added 1 value, source: ticket 7, 1 refused" in shown
        actions = [one.entry.action for one in await visit.node.ledger.entries(0, 1_000)]
        assert [one for one in actions if one.startswith("indicators.")] == ["indicators.put", "indicators.withdrawn"]

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_values_are_counted_by_type_source_and_marking_and_the_list_is_narrowed(on_pages, monkeypatch):
    monkeypatch.setattr(_indicators_page, "INDICATORS_PAGE_ROWS", 3)

    async def work(visit):
        await visit.sign_in()
        await visit.node.indicators.put_many(DEFAULT_TENANT, [
            *(Indicator(kind=Kind.DOMAIN, value=f"bad-{n}.com", source="feed", marking=Marking.GREEN)
              for n in range(5)),
            Indicator(kind=Kind.ADDRESS, value="45.13.9.9", source="a&b"),
        ])  # fmt: skip
        await visit.node.indicators.put_many(EVERYBODY, [Indicator(kind=Kind.DOMAIN, value="all.net", source="all")])
        page = (await visit.http.get("/indicators")).text
        assert counted(page, "By type") == {"domain": "5", "address": "1"}
        assert counted(page, "By source") == {"feed": "5", "a&amp;b": "1"}
        assert counted(page, "By marking") == {"TLP:GREEN": "5", "TLP:AMBER": "1"}
        assert "everybody's events, besides</dt><dd>1<" in page.replace("&#39;", "'")
        seen, address = [], "/indicators?kind=domain"
        while address:
            part = (await visit.http.get(address)).text
            seen += re.findall(r'as=domain">([^<]+)<', part)
            following = re.search(r'href="([^"#]+)#list-title">next', part)
            address = following and html.unescape(following[1])
        assert seen == [f"bad-{n}.com" for n in range(5)]
        narrowed = re.search(r'href="([^"]+)#list-title">a&amp;b<', page)[1]
        assert re.findall(r'as=[a-z]+">([^<]+)<', (await visit.http.get(html.unescape(narrowed))).text) == ["45.13.9.9"]
        assert "looked for" in await look(visit, "all.net")
        assert "in everybody&#39;s events" in (await look(visit, "all.net")).replace("everybody's", "everybody&#39;s")
        assert "is no name of a host" in await look(visit, "ws-07")
        await visit.sign_in(tenant=TenantId("other"))
        assert "Nothing is looked for yet" not in (await visit.http.get("/indicators")).text, "everybody's are"
        assert "not looked for" in await look(visit, "bad-1.com")

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_what_is_filled_in_wrong_is_said_and_stays_filled_in(on_pages):
    async def work(visit):
        await visit.sign_in(Role.OPERATOR)
        for wrong in (
            {"confidence": "2"},
            {"confidence": "nan"},
            {"days": "x"},
            {"marking": "TLP:PINK"},
            {"source": " "},
        ):
            page = await visit.submit("/indicators", values="evil.com", **(FORM | wrong))
            assert page.status_code == 400, wrong
            assert 'role="alert"' in page.text
            assert ">evil.com</textarea>" in page.text
        assert visit.node.indicators.census(DEFAULT_TENANT).values == 0

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_viewers_change_nothing_and_only_administrators_do_so_for_everybody(on_pages):
    async def work(visit):
        await visit.node.indicators.put_many(EVERYBODY, [Indicator(kind=Kind.DOMAIN, value="all.net", source="all")])
        deeds = {
            "/indicators": {"values": "evil.com", **FORM},
            "/indicators/withdraw": {"value": "all.net", "reason": "x"},
        }
        await visit.sign_in(Role.VIEWER)
        assert (await look(visit, "all.net")).count('method="post"') == 1, "signing out"
        for path, fields in deeds.items():
            assert (await visit.submit(path, **fields)).status_code == 403
        await visit.sign_in(Role.OPERATOR)
        shown = await look(visit, "all.net")
        assert "/indicators/withdraw" not in shown
        assert 'name="everybody"' not in shown
        for path, fields in deeds.items():
            assert (await visit.submit(path, everybody="1", **fields)).status_code == 403
            elsewhere = await visit.http.post(path, data=fields, headers={"Origin": "https://elsewhere.example"})
            assert elsewhere.status_code in {303, 403}
        # Without being everybody's it concerns the tenant's own alone.
        await visit.submit("/indicators/withdraw", **deeds["/indicators/withdraw"])
        assert "looked for</span>" in await look(visit, "all.net")
        await visit.sign_in(Role.ADMIN)
        assert "in everybody" in await look(visit, "all.net")
        await visit.submit("/indicators/withdraw", everybody="1", **deeds["/indicators/withdraw"])
        assert "all.net was withdrawn, for everybody" in await look(visit, "all.net")
        await visit.submit("/indicators", everybody="1", **deeds["/indicators"])
        [match] = visit.node.indicators.match(TenantId("other"), [(Kind.DOMAIN, "evil.com")])
        until_s = (match.note.until_ns - visit.node.clock.wall_ns()) / NS_PER_S
        assert 86_400 < until_s <= 2 * 86_400

    on_pages(work)
