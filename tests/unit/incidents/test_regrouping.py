"""What is to be written follows from rows alone, and rows that are the same say that there is nothing to do."""

import msgspec

from phalanx.core import DEFAULT_TENANT, Entity, Finding, Row, Severity, encode
from phalanx.incidents import IncidentStatus
from phalanx.incidents._regrouping import Kept, Material, kept_of, regrouped

S = 10**9
BEGIN_NS = 1_772_443_800 * S


def row(ident, *, at_s=0, version=1, user="kim"):
    at_ns = BEGIN_NS + at_s * S
    found = Finding(
        id=ident, tenant=DEFAULT_TENANT, trace=f"trace-{ident}", at_ns=at_ns, case="ws-07@2026-03-02", rule="r",
        title="r", severity=Severity.CRITICAL, confidence=0.9, techniques=("T1003",), tactics=("credential-access",),
        entities=(Entity("host", "ws-07"), Entity("user", user)), evidence=(f"event-{ident}",), hits=1,
        first_seen_ns=at_ns, last_seen_ns=at_ns, accepted_at_ns=at_ns, found_at_ns=at_ns, explanation="",
    )  # fmt: skip
    return Row(ident, encode(found), version)


def ids(n):
    # Identifiers carry the time they were made at.
    return f"{BEGIN_NS // 10**6:012x}{n:020x}"


def test_the_same_rows_have_the_same_digest_and_any_other_version_another():
    rows = [row(ids(1)), row(ids(2))]
    assert Material(rows, (), ()).digest == Material(list(rows), (), ()).digest
    assert Material([rows[0], row(ids(2), version=2)], (), ()).digest != Material(rows, (), ()).digest
    assert Material(rows[:1], (), ()).digest != Material(rows, (), ()).digest


def test_an_incident_that_is_kept_grows_and_a_closed_one_is_open_again():
    first, second = row(ids(1)), row(ids(2), at_s=60)
    [opened] = regrouped(Material([first], (), ()), {}, {}, BEGIN_NS)
    assert opened.known is None
    closed = msgspec.structs.replace(opened.made, status=IncidentStatus.CLOSED, reason="nothing", by="kim")
    kept = kept_of([Row(closed.id, encode(closed), 7)])
    [same] = regrouped(Material([first], (), ()), kept, {}, BEGIN_NS + S)
    assert (same.made.status, same.made.reason, same.known) == (IncidentStatus.CLOSED, "nothing", Kept(closed, 7))
    [grown] = regrouped(Material([first, second], (), ()), kept, {}, BEGIN_NS + S)
    assert (grown.made.id, grown.made.status, grown.made.reason) == (closed.id, IncidentStatus.OPEN, "")
    assert grown.made.findings == (ids(1), ids(2))


def test_of_two_that_grow_together_the_older_takes_the_other_in():
    first, second = row(ids(1)), row(ids(2), at_s=60, user="lee")
    apart = [regrouped(Material([one], (), ()), {}, {}, BEGIN_NS + n)[0].made for n, one in enumerate((first, second))]
    kept = {made.id: Kept(made, 3) for made in apart}
    again = row(ids(2), at_s=60)
    [change] = regrouped(Material([first, again], (), ()), kept, {}, BEGIN_NS + S)
    assert change.made.id == apart[0].id
    assert change.absorbed == (Kept(apart[1], 3),)
