"""What people do on pages: judging a finding, closing an incident."""

import re

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, Put, Severity, derive_id, encode
from phalanx.incidents import INCIDENTS, Incident, IncidentStatus, Member
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
        (form,) = re.findall(r'action="(/findings/[^"]+)"', story.text)
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
        (form,) = re.findall(r'action="(/incidents/[^"]+)"', (await visit.http.get(page)).text)
        assert (await visit.submit(form, outcome="test")).status_code == 400, "a reason is needed"
        wrong = await visit.submit(form, outcome="nonsense", reason="why")
        assert "attack, harmless, test" in wrong.text
        done = await visit.submit(form, outcome="test", reason="our own exercise")
        assert (done.status_code, done.headers["location"]) == (303, page)
        shown = (await visit.http.get(page)).text
        assert "our own exercise" in shown
        assert '<form method="post" action="/incidents/' not in shown, "it is closed already"

    on_pages(work)


@pytest.mark.requirement("API-3")
def test_who_may_only_look_and_other_sites_do_nothing(on_pages):
    async def work(visit):
        await visit.accept()
        incident = await put_incident(visit, "fs-01")
        (finding, *_) = await visit.node.findings.list(DEFAULT_TENANT)
        deeds = {
            f"/incidents/{incident.id}/close": {"outcome": "test", "reason": "x"},
            f"/findings/{finding.id}/opinion": {"verdict": "false"},
        }
        for path, fields in deeds.items():
            nobody = await visit.submit(path, **fields)
            assert nobody.headers["location"] == "/login?next=%2F", "a form is not sent again after signing in"
        await visit.sign_in(Role.VIEWER)
        for page in (f"/incidents/{incident.id}", f"/trace/{finding.trace}"):
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
        assert (await visit.node.incidents.get(DEFAULT_TENANT, incident.id)).status.value == "open"

    on_pages(work)


def test_open_incidents_come_first_the_most_severe_before_others_and_merged_ones_are_left_out(on_pages):
    async def work(visit):
        await put_incident(visit, "severe", day=1)
        await put_incident(visit, "latest", day=3, severity=Severity.LOW)
        await put_incident(visit, "earlier", day=2, severity=Severity.LOW)
        await put_incident(visit, "closed", day=4, severity=Severity.CRITICAL, status=IncidentStatus.CLOSED)
        await put_incident(visit, "merged", day=5, status=IncidentStatus.MERGED)
        await visit.sign_in()
        page = await visit.http.get("/incidents")
        shown = re.findall(r'href="/incidents/[^"]+">([^<]+)<', page.text)
        assert shown == ["severe", "latest", "earlier", "closed"]

    on_pages(work)
