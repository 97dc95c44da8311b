"""What the pages show is what is stored, as text, under a strict policy."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, AuditEntry, StorageFull, TenantId, TraceId, derive_id, event_id
from phalanx.ledger import Ledger, LedgerTampered
from phalanx.trust import Role

LOG_CLEARED = {"EventTime": "2026-03-02 09:39:13", "Hostname": "fs-09", "EventID": 1102, "Channel": "Security",
               "SourceName": "Microsoft-Windows-Eventlog", "SubjectUserName": "svc-backup"}  # fmt: skip
QUIET = {"EventID": 4634, "Channel": "Security", "SourceName": "Microsoft-Windows-Security-Auditing"}


class Inline(HTMLParser):
    """Finds what a strict policy forbids, and unlabelled fields."""

    def __init__(self, html):
        super().__init__()
        self.found, self.elements = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if tag == "style" or (tag == "script" and "src" not in attrs):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in attrs if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            if re.match(r"[a-z]+:|//", attrs.get(name) or ""):
                self.found.append(f"{tag} {name}={attrs[name]}")


def checked(answer, status=200):
    """A page that keeps the policy and says so."""
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    page = Inline(answer.text)
    assert page.found == []
    if not answer.text.lstrip().startswith("<tr"):
        tags = [tag for tag, _ in page.elements]
        assert [tags.count(tag) for tag in ("main", "h1", "title")] == [1, 1, 1]
        assert ("html", {"lang": "en"}) in page.elements
        labelled = {attrs.get("for") for tag, attrs in page.elements if tag == "label"}
        shown = [a for tag, a in page.elements if tag == "input" and a["type"] != "hidden" and "aria-hidden" not in a]
        assert all(field["id"] in labelled for field in shown)
    return answer.text


@pytest.mark.requirement("API-2")
def test_the_live_page_shows_each_way_from_acceptance_to_ledger(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = checked(await visit.http.get("/"))
        assert "Nothing suspicious yet" in empty
        trace = await visit.accept()
        page = checked(await visit.http.get("/"))
        assert "<small>" not in page.partition('class="brand"')[2].partition("</a>")[0]
        row = page[page.index(f'id="way-{trace}"') :].partition("</tr>")[0]
        assert f'href="/trace/{trace}"' in row
        stations = ["Accepted", "Finding", "Mission", "Analysis", "Assessment", "Decision", "Ledger"]
        assert re.findall(r'class="stop (\w+)" data-label="(\w+)"', row) == [
            ("refused" if name == "Decision" else "done", name) for name in stations
        ]
        assert "simulated" in row
        assert "fs-01.corp.example" in row

    on_pages(work)


def test_changed_rows_are_rendered_like_the_page_itself(on_pages):
    async def work(visit):
        assert (await visit.http.get("/ways")).status_code == 401
        await visit.sign_in()
        trace, other = await visit.accept(), await visit.accept(Hostname="fs-02.corp.example")
        page = checked(await visit.http.get("/"))
        row = checked(await visit.http.get("/ways", params={"trace": trace})).strip()
        assert row.count("<tr") == 1
        assert re.sub(r"\s+", " ", row) in re.sub(r"\s+", " ", page)
        newest = checked(await visit.http.get("/ways"))
        assert re.findall(r'id="way-([^"]+)"', newest) == [other, trace]
        assert (await visit.http.get("/ways", params={"trace": derive_id(1, "unknown")})).text.strip() == ""

    on_pages(work)


def test_evidence_of_a_finding_leads_to_its_story_and_makes_no_row_of_its_own(on_pages):
    async def work(visit):
        await visit.sign_in()
        two = b"".join(json.dumps(LOG_CLEARED | {"RecordNumber": number}).encode() + b"\n" for number in range(2))
        batch = (await visit.node.intake.accept(two, tenant=DEFAULT_TENANT)).batch
        await visit.node.settled()
        first, second = event_id(batch, 0), event_id(batch, 1)
        assert (await visit.http.get("/ways", params={"trace": [first, second]})).text.count("<tr") == 1
        assert (await visit.http.get("/ways", params={"trace": second})).text.strip() == ""
        story = checked(await visit.http.get(f"/trace/{second}"))
        assert "Windows event log cleared" in story
        assert "2 events" in story

    on_pages(work)


@pytest.mark.requirement("API-2")
def test_a_story_shows_every_record_its_provenance_and_its_proof(on_pages):
    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        page = checked(await visit.http.get(f"/trace/{trace}"))
        for stage in ("accepted", "finding", "mission", "assigned", "step", "assessment", "proposal", "decision",
                      "ledger", "mission done"):  # fmt: skip
            assert f'<span class="stage">{stage}</span>' in page
        assert "No quantum hardware was used for this result." in page
        assert "Classical baseline" in page
        entries = page.count('<span class="stage">ledger</span>')
        assert entries >= 5  # of the triage, of two hunts
        assert page.count('<span class="tag good">verified</span>') == entries + 1  # and in short
        assert f"{entries} of {entries} entries lead to a signed checkpoint" in page
        decision = (await visit.node.responses.decisions("default"))[0]
        assert all(reason in page for reason in decision.reasons)
        assert decision.context_hash in page
        assert "SubjectUserName" in page
        assert "device.hostname" in page

    on_pages(work)


async def _changed_entry(_, entry_id):
    raise LedgerTampered("entry", 1, f"{entry_id} is not what was recorded")


async def _wrong_path(ledger, index, size):
    return replace(await PROVE(ledger, index, size), path=("00" * 32,) * 3)


async def _forged_checkpoint(ledger):
    signed = await CHECKPOINT(ledger)
    return replace(signed, note=signed.note.replace(f"\n{signed.size}\n", f"\n{signed.size + 1}\n"))


PROVE, CHECKPOINT = Ledger.prove, Ledger.checkpoint


@pytest.mark.parametrize(
    ("method", "changed"),
    [("entry", _changed_entry), ("prove", _wrong_path), ("checkpoint", _forged_checkpoint)],
)
def test_a_ledger_that_was_changed_is_shown_as_such(on_pages, monkeypatch, method, changed):
    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        monkeypatch.setattr(Ledger, method, changed)
        page = checked(await visit.http.get(f"/trace/{trace}"))
        entries = page.count('<span class="stage">ledger</span>')
        assert page.count('<span class="tag bad">does not verify</span>') == entries + 1 > 1
        assert "verified</span>" not in page
        assert 'class="notice bad"' in page

    on_pages(work)


def test_entries_that_no_checkpoint_covers_yet_are_not_called_verified(on_pages, monkeypatch):
    async def full(_):
        raise StorageFull("the ledger")

    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        monkeypatch.setattr(Ledger, "checkpoint", full)
        page = checked(await visit.http.get(f"/trace/{trace}"))
        entries = page.count('<span class="stage">ledger</span>')
        assert page.count('<span class="tag warn">not yet sealed</span>') == entries + 1 > 1
        assert "verified</span>" not in page

    on_pages(work)


def test_what_an_attacker_writes_stays_text(on_pages):
    nasty = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' {{7*7}}"

    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept(SubjectUserName=nasty, Hostname=nasty, Extra=nasty)
        for path in ("/", "/ways", f"/trace/{trace}"):
            page = checked(await visit.http.get(path))
            assert "<script>alert" not in page
            assert "<img" not in page.replace('<img src="/assets/mark.svg"', "")
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "{{7*7}}" in page

    on_pages(work)


def test_an_event_from_which_nothing_followed_has_a_page_too(on_pages):
    async def work(visit):
        await visit.sign_in()
        event = await visit.accept(**QUIET)
        page = checked(await visit.http.get(f"/trace/{event}"))
        assert "Nothing followed from this event" in page
        assert "4634" in page
        for unknown in (derive_id(1, "unknown"), "nonsense"):
            assert "Not found" in checked(await visit.http.get(f"/trace/{unknown}"), 404)

    on_pages(work)


def test_a_tenant_sees_no_way_of_another(on_pages):
    async def work(visit):
        trace = await visit.accept()
        await visit.sign_in(Role.ADMIN, TenantId("other"))
        assert trace not in checked(await visit.http.get("/"))
        assert (await visit.http.get("/ways", params={"trace": trace})).text.strip() == ""
        checked(await visit.http.get(f"/trace/{trace}"), 404)

    on_pages(work)


def test_assets_come_from_this_node_and_are_kept_by_the_browser(on_pages):
    async def work(visit):
        await visit.sign_in()
        page = (await visit.http.get("/")).text
        assets = re.findall(r'"(/assets/[^"]+)"', page)
        assert len(assets) >= 5
        for path in dict.fromkeys(assets):
            first = await visit.http.get(path)
            assert first.status_code == 200, path
            again = await visit.http.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b""), path
        (library,) = (path for path in assets if "plotly" in path)
        answer = await visit.http.get(library)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.content) > 1_000_000
        plain = await visit.http.get(library, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content
        for missing in ("/assets/nope.js", "/assets/..%2f_pages.py", "/assets/plotly-0.js"):
            assert (await visit.http.get(missing)).status_code == 404

    on_pages(work)


@pytest.mark.requirement("API-2")
def test_the_ledger_page_verifies_what_it_shows_and_pages_back(on_pages):
    async def work(visit):
        await visit.sign_in()
        await visit.accept()
        for n in range(60):
            await visit.node.ledger.record(entry(n))
        await visit.node.ledger.record(entry(99, tenant=TenantId("other")))
        newest = checked(await visit.http.get("/ledger"))
        older = re.search(r'href="(/ledger\?before=\d+)"', newest)[1]
        assert "subject-59" not in checked(await visit.http.get("/ledger?case=fs-01.corp.example@2026-03-02"))
        assert "Nothing like that" in checked(await visit.http.get("/ledger?case=no-such"))
        return newest, checked(await visit.http.get(older)), visit.node.ledger

    newest, oldest, ledger = on_pages(work)
    assert ledger.public_key.fingerprint in newest
    assert newest.count(">verified</span>") == 50  # a page is full, what others have recorded is not counted
    assert "subject-59" in newest
    assert "subject-99" not in newest
    assert 'aria-current="page">Ledger' in newest
    assert "isolate-host" in oldest
    assert ">older</a>" not in oldest


def test_probes_of_the_node_are_left_out_of_the_ledger_page_and_counted(on_pages):
    async def work(visit):
        await visit.sign_in()
        for n in range(3):
            await visit.node.ledger.record(entry(n, tenant=PROBE_TENANT))
        await visit.node.ledger.record(entry(7))
        return checked(await visit.http.get("/ledger")), checked(await visit.http.get("/ledger?probes=1"))

    without, with_them = on_pages(work)
    assert "subject-7" in without
    assert "subject-1<" not in without
    assert "3 entries of the node's own probes left out" in without
    assert "subject-1<" in with_them


@pytest.mark.requirement("IRS-4")
def test_a_changed_entry_shows_on_the_ledger_page(on_pages, monkeypatch):
    async def work(visit):
        await visit.sign_in()
        await visit.node.ledger.record(entry(1))

        async def changed(self, entry_id):
            raise LedgerTampered("entry", 0, "its bytes are not the ones that were recorded")

        monkeypatch.setattr(Ledger, "entry", changed)
        return checked(await visit.http.get("/ledger"))

    page = on_pages(work)
    assert "does not verify" in page
    assert "its bytes are not the ones that were recorded" in page


def test_a_ledger_page_that_is_none_is_refused(on_pages):
    async def work(visit):
        await visit.sign_in()
        return checked(await visit.http.get("/ledger?before=yesterday"), status=400)

    assert "is not the index of a ledger entry" in on_pages(work)


def entry(n, tenant=DEFAULT_TENANT):
    return AuditEntry(
        id=derive_id(1_000_000_000, "entry", str(n)), tenant=tenant, trace=TraceId(derive_id(1, "trace")),
        at_ns=1_800_000_000_000_000_000, actor="tester", action="noted", subject=f"subject-{n}", case="case-1",
    )  # fmt: skip


@pytest.mark.requirement("CRY-2")
def test_the_keys_page_shows_identities_the_vault_and_the_noise(on_pages):
    async def work(visit):
        node = visit.node
        await node.artefacts.put(DEFAULT_TENANT, b"a capture", name="capture", actor="a test")
        await node.identities.reissue.start(actor="a test")
        while (await node.identities.reissue.status()).state.value == "running":
            await node.clock.sleep(0.01)
        await visit.sign_in(Role.ADMIN)
        return checked(await visit.http.get("/keys")), node

    page, node = on_pages(work)
    assert node.identities.node.chain.leaf.body.subject in page
    assert "Ed25519+ML-DSA-65" in page
    assert "AES-256-GCM" in page
    assert "jitter" in page
    assert "Artefacts kept</dt><dd>1</dd>" in page
    assert "Signing again</dt><dd>done, " in page
    assert "forbidden" not in page
    assert page.count('<span class="tag good" title="">valid</span>') >= 2


@pytest.mark.requirement("CRY-4")
def test_only_who_keeps_the_vault_sees_it(on_pages):
    async def work(visit):
        await visit.sign_in(Role.VIEWER)
        return checked(await visit.http.get("/keys"))

    page = on_pages(work)
    assert "Data at rest" not in page
    assert "Identities" in page
