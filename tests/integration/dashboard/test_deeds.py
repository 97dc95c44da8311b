"""What people do on pages about findings and incidents, and who may."""

import re

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, Put, Severity, derive_id, encode
from phalanx.demo import Intrusion, feed
from phalanx.incidents import INCIDENTS, AssignWanted, Incident, IncidentStatus, Member
from phalanx.intel import SuppressionWanted
from phalanx.trust import Role


async def put_incident(visit, name, day=1, severity=Severity.HIGH, status=IncidentStatus.OPEN):
    """An incident as the analysts' duty would have made it, of the findings that there are."""
    findings = await visit.node.findings.list(DEFAULT_TENANT)
    at_ns = 1_770_000_000 * NS_PER_S + day * 86_400 * NS_PER_S
    made = Incident(
        id=derive_id(at_ns, "incident", name), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns, title=name,
        status=status, severity=severity, probability=0.8, cases=(f"{name}@2026-03-02",),
        members=tuple(Member(one.id, "", 1.0, ()) for one in findings), linked=(), techniques=(), expanded=(),
        first_seen_ns=at_ns, last_seen_ns=at_ns, changed_at_ns=at_ns, hunts=0,
    )  # fmt: skip
    index = {"finding": made.findings, "status": (status.value,), "case": made.cases}
    await visit.node.store.commit([Put(INCIDENTS, DEFAULT_TENANT, made.id, encode(made), index)])
    return made


@pytest.mark.requirement("API-3")
def test_an_operator_judges_a_finding_on_the_page_of_its_story(on_pages):
    async def work(visit):
        await visit.accept()
        (finding,) = await visit.node.findings.list(DEFAULT_TENANT)
        await visit.sign_in(Role.OPERATOR)
        story = await visit.http.get(f"/trace/{finding.trace}")
        (form,) = re.findall(r'action="(/findings/[^"]+/opinion)"', story.text)
        said = await visit.submit(form, verdict="false", reason="the <b>backup</b>")
        assert (said.status_code, said.headers["location"]) == (303, f"/trace/{finding.trace}")
        (opinion,) = await visit.node.judgements.opinions(DEFAULT_TENANT, finding.id)
        assert (opinion.verdict.value, opinion.reason, opinion.by) == ("false", "the <b>backup</b>", "a operator")
        story = await visit.http.get(f"/trace/{finding.trace}")
        assert "the &lt;b&gt;backup&lt;/b&gt;" in story.text

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_an_operator_closes_an_incident_on_its_page(on_pages):
    async def work(visit):
        await visit.accept()
        incident = await put_incident(visit, "fs-01")
        page = f"/incidents/{incident.id}"
        await visit.sign_in(Role.OPERATOR)
        (form,) = re.findall(r'action="(/incidents/[^"]+/close)"', (await visit.http.get(page)).text)
        assert (await visit.submit(form, outcome="test")).status_code == 400, "a reason is needed"
        wrong = await visit.submit(form, outcome="nonsense", reason="why")
        assert "attack, harmless, test" in wrong.text
        done = await visit.submit(form, outcome="test", reason="our own exercise")
        assert (done.status_code, done.headers["location"]) == (303, page)
        shown = (await visit.http.get(page)).text
        assert "our own exercise" in shown
        assert "/close" not in shown, "it is closed already"

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_who_may_only_look_and_other_sites_do_nothing(on_pages):
    async def work(visit):
        await visit.accept()
        incident = await put_incident(visit, "fs-01")
        (finding, *_) = await visit.node.findings.list(DEFAULT_TENANT)
        wanted = SuppressionWanted(rule=finding.rule, host="elsewhere", reason="held by somebody else")
        held = await visit.node.judgements.suppress(DEFAULT_TENANT, wanted, by="kim")
        deeds = {
            f"/incidents/{incident.id}/close": {"outcome": "test", "reason": "x"},
            f"/incidents/{incident.id}/assign": {"to": "a operator"},
            f"/incidents/{incident.id}/comment": {"text": "x"},
            f"/incidents/{incident.id}/split": {"finding": finding.id, "reason": "x"},
            f"/incidents/{incident.id}/merge": {"other": incident.id, "reason": "x"},
            f"/findings/{finding.id}/opinion": {"verdict": "false"},
            f"/findings/{finding.id}/suppress": {"where": "host", "days": "7", "reason": "x"},
            f"/suppressions/{held.id}/end": {},
        }
        for path, fields in deeds.items():
            nobody = await visit.submit(path, **fields)
            assert nobody.headers["location"] == "/login?next=%2F", "a form is not sent again after signing in"
        await visit.sign_in(Role.VIEWER)
        for page in (f"/incidents/{incident.id}", f"/trace/{finding.trace}", "/rules"):
            text = (await visit.http.get(page)).text
            assert 'action="/logout"' in text
            assert text.count('method="post"') == 1
        for path, fields in deeds.items():
            assert (await visit.submit(path, **fields)).status_code == 403
        await visit.sign_in(Role.OPERATOR)
        for path, fields in deeds.items():
            elsewhere = await visit.http.post(path, data=fields, headers={"Origin": "https://elsewhere.example"})
            assert elsewhere.status_code in {303, 403}
        assert await visit.node.judgements.opinions(DEFAULT_TENANT, finding.id) == []
        assert await visit.node.incidents.get(DEFAULT_TENANT, incident.id) == incident
        assert await visit.node.handling.notes(DEFAULT_TENANT, incident.id) == []
        assert await visit.node.judgements.suppressions(DEFAULT_TENANT) == [held]

    on_pages(work)


def test_open_incidents_come_first_the_most_severe_before_others_and_merged_ones_are_left_out(on_pages):
    async def work(visit):
        severe = await put_incident(visit, "severe", day=1)
        await put_incident(visit, "latest", day=3, severity=Severity.LOW)
        await put_incident(visit, "earlier", day=2, severity=Severity.LOW)
        await put_incident(visit, "closed", day=4, severity=Severity.CRITICAL, status=IncidentStatus.CLOSED)
        await put_incident(visit, "merged", day=5, status=IncidentStatus.MERGED)
        await visit.sign_in()
        page = await visit.http.get("/incidents")
        shown = re.findall(r'href="/incidents/[^"]+">([^<]+)<', page.text)
        assert shown == ["severe", "latest", "earlier", "closed"]
        await visit.node.handling.assign(DEFAULT_TENANT, severe.id, AssignWanted(to="a viewer"), by="a viewer")
        for whose, some in (("mine", ["severe"]), ("nobody", ["latest", "earlier", "closed"]), ("nonsense", shown)):
            page = await visit.http.get(f"/incidents?whose={whose}")
            assert re.findall(r'href="/incidents/[^"]+">([^<]+)<', page.text) == some

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_an_operator_takes_an_incident_and_comments_on_it_on_its_page(on_pages):
    async def work(visit):
        await visit.accept()
        incident = await put_incident(visit, "fs-01")
        page = f"/incidents/{incident.id}"
        await visit.sign_in(Role.OPERATOR)
        shown = (await visit.http.get(page)).text
        assert "Take it" in shown
        key = re.search(r'name="key" value="([^"]+)"', shown)[1]
        done = await visit.submit(f"{page}/assign", to="a operator", instead_of="")
        assert (done.status_code, done.headers["location"]) == (303, page)
        # The same form, from a page that was opened before.
        late = await visit.submit(f"{page}/assign", to="kim", instead_of="")
        assert late.status_code == 400, "nobody of that name may act here"
        await visit.node.tokens.issue(DEFAULT_TENANT, "kim", Role.OPERATOR)
        late = await visit.submit(f"{page}/assign", to="kim", instead_of="")
        assert late.status_code == 409
        assert "a operator has it, not nobody" in late.text
        assert f'<a href="{page}">Back to the incident</a>' in late.text
        for _ in range(2):
            said = await visit.submit(f"{page}/comment", text="asked\nthe <owner>", key=key)
        assert said.headers["location"].startswith(f"{page}#")
        shown = (await visit.http.get(page)).text
        assert shown.count("asked\nthe &lt;owner&gt;") == 1
        assert f'id="{said.headers["location"].partition("#")[2]}"' in shown
        assert "a operator has it" in shown
        assert "Take it" not in shown
        assert '<option value="kim">' in shown
        closing = {"outcome": "test", "reason": "x", "seen_ns": str(incident.changed_at_ns)}
        assert (await visit.submit(f"{page}/close", **closing)).status_code == 409, "somebody took it since"
        longest = await visit.submit(f"{page}/comment", text="\U0001f9ea" * 2_000)
        assert longest.status_code == 303
        assert (await visit.submit(f"{page}/comment", text="x" * 40_000)).status_code == 413

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_an_operator_takes_findings_out_of_an_incident_and_merges_it_on_its_page(on_pages):
    async def work(visit):
        await feed(Intrusion(3, story="two"), visit.node, speed=1e9)
        await visit.node.settled()
        await visit.node.incidents.regroup(DEFAULT_TENANT)
        found = await visit.node.incidents.newest(DEFAULT_TENANT, status=IncidentStatus.OPEN)
        first, second = sorted(found, key=lambda one: -len(one.members))[:2]
        await visit.sign_in(Role.OPERATOR)
        page = f"/incidents/{first.id}"
        shown = (await visit.http.get(page)).text
        boxes = re.findall(r'form="split" name="finding" value="([^"]+)"', shown)
        assert set(boxes) == set(first.findings)
        out = list(first.findings[-2:])
        assert (await visit.submit(f"{page}/split", reason="none chosen")).status_code == 400
        split = await visit.submit(f"{page}/split", finding=out, reason="the backup")
        left = await visit.node.incidents.get(DEFAULT_TENANT, split.headers["location"].rpartition("/")[2])
        assert not set(out) & set(left.findings)
        assert "2 findings set apart: the backup" in (await visit.http.get(split.headers["location"])).text
        page = f"/incidents/{left.id}"
        assert f'<option value="{second.id}">' in (await visit.http.get(page)).text
        assert (await visit.submit(f"{page}/merge", reason="with nothing")).status_code == 400
        merged = await visit.submit(f"{page}/merge", other=second.id, reason="the same people")
        assert merged.headers["location"] == f"/incidents/{min(left.id, second.id)}"
        whole = (await visit.http.get(merged.headers["location"])).text
        assert "the same people" in whole
        gone = (await visit.http.get(f"/incidents/{max(left.id, second.id)}")).text
        assert f'It goes on in <a href="{merged.headers["location"]}">' in gone
        assert gone.count('method="post"') == 1, "nothing is done about what goes on elsewhere"

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_an_operator_suppresses_what_a_finding_is_of_and_ends_that_on_the_page_of_rules(on_pages):
    async def work(visit):
        await visit.accept()
        (finding,) = await visit.node.findings.list(DEFAULT_TENANT)
        story, form = f"/trace/{finding.trace}", f"/findings/{finding.id}/suppress"
        await visit.sign_in(Role.OPERATOR)
        assert f'action="{form}"' in (await visit.http.get(story)).text
        for wrong in (
            {"where": "host", "days": "7"},
            {"where": "", "days": "7", "reason": "x"},
            {"where": "host", "days": "-1", "reason": "x"},
            {"where": "entity:", "days": "7", "reason": "x"},
        ):
            assert (await visit.submit(form, **wrong)).status_code == 400, wrong
        done = await visit.submit(form, where="host", days="7", reason="the backup clears it")
        assert (done.status_code, done.headers["location"]) == (303, story)
        [held] = await visit.node.judgements.suppressions(DEFAULT_TENANT)
        assert (held.rule, held.host, held.by) == (finding.rule, "fs-01.corp.example", "a operator")
        assert held.until_ns - held.at_ns == 7 * 86_400 * NS_PER_S
        told = (await visit.http.get(story)).text
        assert "No more of event-log-cleared on fs-01.corp.example" in told
        before = len(await visit.node.findings.list(DEFAULT_TENANT))
        await visit.accept(EventTime="2026-03-03 11:00:00")
        assert len(await visit.node.findings.list(DEFAULT_TENANT)) == before
        rules = (await visit.http.get("/rules")).text
        assert "the backup clears it" in rules
        assert "1 finding<br>" in rules
        (end,) = re.findall(r'action="(/suppressions/[^"]+)"', rules)
        assert (await visit.submit(end)).headers["location"] == "/rules#suppressed-title"
        rules = (await visit.http.get("/rules")).text
        assert "over since" in rules
        assert 'action="/suppressions/' not in rules
        assert "No more of" not in (await visit.http.get(story)).text
        entity = next(one for one in finding.entities if one.type == "user")
        await visit.submit(form, where=f"entity:{entity.value}", days="0", reason="they do so")
        await visit.submit(form, where="everywhere", days="1", reason="for a day")
        made = await visit.node.judgements.suppressions(DEFAULT_TENANT)
        assert [(one.host, one.entity, bool(one.until_ns)) for one in made[1:]] == [
            ("", entity.value, False), ("", "", True),
        ]  # fmt: skip

    on_pages(work)
