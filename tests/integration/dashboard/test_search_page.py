"""The page of searches: a question, its answer, what is wrong with one, and saved hunts."""

import msgspec
import pytest

from phalanx.core import Put, derive_id, encode
from phalanx.dashboard._search_page import told_first, without_range
from phalanx.intel import HUNTS, ExpandWanted, HypothesisWanted

LINE = b"<38>1 2026-01-01T00:00:00Z web-01 sshd 1 - - Failed password for root from 203.0.113.9 port %d ssh2"


@pytest.mark.requirement("INT-1")
def test_a_question_is_answered_and_a_wrong_one_is_pointed_at(on_pages):
    async def work(visit):
        await visit.sign_in()
        taken = await visit.node.intake.accept(b"\n".join(LINE % port for port in range(40)), tenant="default")
        await visit.node.archive.archivist.drained()
        wanted = HypothesisWanted(name="root", query="user:root", about="somebody <b>guesses</b>")
        await visit.node.archive.hypotheses.save(wanted, tenant="default", by="kim")
        page = (await visit.http.get("/search", params={"query": "user:root AND port"})).text
        assert "40 events" in page
        assert f"/trace/{taken.batch}" in page
        assert "203.0.113.9" in page
        assert "&lt;b&gt;guesses" in page
        wrong = (await visit.http.get("/search", params={"query": 'user:"root'})).text
        assert "column 6" in wrong
        counted = (await visit.http.get("/search", params={"query": "| count by user"})).text
        assert counted.index("Counted") < counted.index("Over time"), "the answer first"
        lately = (await visit.http.get("/search", params={"query": "user:root AND last:1h"})).text
        assert "40 more events outside of the time" in lately
        assert "query=user%3Aroot&#34;" in lately or 'query=user%3Aroot"' in lately

    on_pages(work)


def test_the_range_is_taken_out_of_a_question():
    assert without_range("last:24h") == "*"
    assert without_range("host:a AND last:24h | count by host") == "host:a  | count by host"
    assert without_range("last:7d AND host:a") == "host:a"
    assert without_range("host:last") == ""


def test_the_fields_that_tell_most_come_first():
    fields = {
        "EventID": 1,
        "Guid": "x",
        "CommandLine": "c",
        "Image": "i",
        "User": "u",
        "Hostname": "h",
        "SourceIp": "s",
    }
    first, rest = told_first(fields)
    assert [name for name, _ in first] == ["Hostname", "User", "Image", "CommandLine", "SourceIp", "EventID"]
    assert [name for name, _ in rest] == ["Guid"]


@pytest.mark.requirement("AGT-1")
def test_what_hunts_found_is_shown(on_pages):
    async def work(visit):
        await visit.sign_in()
        assert "no hunt was done yet" in (await visit.http.get("/search")).text
        await visit.node.intake.accept(b"\n".join(LINE % port for port in range(40)), tenant="default")
        await visit.node.settled()
        await visit.node.archive.archivist.drained()
        (finding, *_) = await visit.node.findings.list("default")
        wanted = ExpandWanted(finding=finding.id, back_s=10_000 * 86_400)
        hunt = await visit.node.hunts.expand(wanted, tenant="default", by="kim <b>")
        page = (await visit.http.get("/search", params={"hunt": hunt.id})).text
        assert "What a hunt found" in page
        assert f"/trace/{hunt.hits[0].event}" in page
        assert "by kim &lt;b&gt;" in page
        assert f"hunt={hunt.id}" in page
        later = msgspec.structs.replace(hunt, id=derive_id(1, "a hunt about something old"), at_ns=hunt.at_ns + 1)
        await visit.node.store.commit([Put(HUNTS, later.tenant, later.id, encode(later))])
        page = (await visit.http.get("/search")).text
        assert 0 < page.index(f"hunt={later.id}") < page.index(f"hunt={hunt.id}"), "newest first"
        assert "those of what happened last, newest first" in page

    on_pages(work)
