"""Which cases belong together, and which only look as if."""

import pytest

from phalanx.core import Entity, Finding, Severity
from phalanx.incidents._correlating import links_of
from phalanx.incidents._limits import MAX_LINK_CASES


def finding(ident, case, *entities):
    return Finding(
        id=ident, tenant="t", trace=f"trace-{ident}", at_ns=1, case=case, rule="r", title="r", severity=Severity.HIGH,
        confidence=0.9, techniques=(), tactics=(), entities=tuple(Entity(*one) for one in entities), evidence=(),
        hits=1, first_seen_ns=1, last_seen_ns=1, accepted_at_ns=1, found_at_ns=1, explanation="",
    )  # fmt: skip


def linked(own, *others, names=None):
    return [(one.case, str(one.by)) for one in links_of(own, others, names or {})]


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (("user", "svc-backup"), ("user", "SVC-Backup"), "user:svc-backup"),
        (("user", "CORP\\svc-backup"), ("user", "svc-backup@corp.example"), "user:svc-backup"),
        (("ip", "203.0.113.66"), ("ip", "203.0.113.66"), "ip:203.0.113.66"),
        (("ip", "192.0.2.20"), ("host", "fs-01"), "host:fs-01"),
        (("domain", "t.relay.example"), ("domain", "t.relay.example"), "domain:t.relay.example"),
        (("user", "NT AUTHORITY\\SYSTEM"), ("user", "system"), None),
        (("user", "ws-07$"), ("user", "ws-07$"), None),
        (("process", "powershell.exe"), ("process", "powershell.exe"), None),
        (("user", "kim"), ("user", "lee"), None),
    ],
)
def test_what_links_two_cases(mine, theirs, expected):
    found = linked(finding("1", "a", mine), finding("2", "b", theirs), names={"192.0.2.20": "fs-01"})
    assert found == ([("b", expected)] if expected else [])


def test_a_case_is_not_linked_to_itself_nor_by_what_is_everywhere():
    kim = ("user", "kim")
    assert linked(finding("1", "a", kim), finding("2", "a", kim)) == []
    many = [finding(str(number), f"case-{number}", kim) for number in range(MAX_LINK_CASES + 1)]
    assert linked(finding("x", "a", kim), *many) == []
    assert len(linked(finding("x", "a", kim), *many[1:])) == MAX_LINK_CASES
