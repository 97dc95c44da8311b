"""The page of findings: all of them, narrowed, page by page."""

import re

import pytest

from phalanx.core import TenantId
from phalanx.dashboard import _findings_page


def titles(page):
    return re.findall(r'<a href="/trace/[^"]+">([^<]+)</a>', page.text)


@pytest.mark.requirement("API-3")
def test_findings_are_listed_and_narrowed_by_severity_and_words(on_pages):
    async def work(visit):
        await visit.sign_in()
        assert "nothing was found yet" in (await visit.http.get("/findings")).text
        await visit.accept()
        shown = await visit.http.get("/findings")
        assert "Windows event log cleared" in titles(shown)
        assert "fs-01.corp.example" in shown.text
        for query, there in (
            ("severity=high", True),
            ("severity=critical", False),
            ("severity=nonsense", True),
            ("like=FS-01", True),
            ("like=T1070", True),
            ("like=svc-backup", True),
            ("like=elsewhere", False),
        ):
            page = await visit.http.get(f"/findings?{query}")
            assert page.status_code == 200
            assert ("Windows event log cleared" in titles(page)) is there, query
        assert "nothing like that was found" in page.text

    on_pages(work)


def test_older_findings_are_on_the_next_page_each_once(on_pages, monkeypatch):
    monkeypatch.setattr(_findings_page, "FINDINGS_PAGE_ROWS", 2)

    async def work(visit):
        await visit.sign_in()
        for number in range(5):
            await visit.accept(Hostname=f"host-{number}", EventTime=f"2026-03-0{number + 1} 09:00:00")
        seen, address = [], "/findings?like=host-"
        while address:
            page = await visit.http.get(address)
            seen.append(re.findall(r'data-label="Host">([^<]+)<', page.text))
            older = re.search(r'href="(/findings\?[^"]+)">older', page.text)
            address = older and older[1].replace("&amp;", "&")
        assert seen == [["host-4", "host-3"], ["host-2", "host-1"], ["host-0"]]

    on_pages(work)


def test_findings_are_of_ones_own_tenant(on_pages):
    async def work(visit):
        await visit.accept()
        await visit.sign_in(tenant=TenantId("other"))
        assert titles(await visit.http.get("/findings")) == []

    on_pages(work)
