"""What is shown of a role: of what it did, the newest of each kind, in words."""

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry
from phalanx.node._deeds import Deed, _by_entry, _newest


def entry(action, subject, **body):
    return AuditEntry(
        id="e", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=7, actor="admin", action=action, subject=subject, case="",
        body=body,
    )  # fmt: skip


def test_what_is_done_often_does_not_hide_what_is_done_seldom():
    done = [("weigh", Deed(at_ns=n, what=f"weigh {n}")) for n in range(10, 20)]
    done += [("tripwire", Deed(at_ns=3, what="tripwire")), ("probe", Deed(at_ns=5, what="probe"))]
    assert [one.what for one in _newest(done)] == ["weigh 19", "probe", "tripwire"]
    assert [one.what for one in _newest(done[:10])] == ["weigh 19", "weigh 18", "weigh 17"]
    assert [one.what for one in _newest(done[9:11])] == ["weigh 19", "tripwire"]


def test_an_entry_is_told_with_what_came_of_it():
    totals = {"hunter": {"done": 3, "failed": 1, "falls": 0}, "canary": {"done": 4, "failed": 0, "falls": 2}}
    deed = _by_entry(9, entry("missions.review", "missions", **totals))
    assert deed.what == "missions.review of missions: 7 done and 1 failed by agents of 2 roles, 2 agents replaced"
    assert (deed.entry, deed.at_ns) == (9, 7)
    assert _by_entry(1, entry("clocks.weigh", "3 hosts", ahead_s={})).what == "clocks.weigh of 3 hosts: none is ahead"
    ahead = entry("clocks.weigh", "3 hosts", ahead_s={"a": 70.04, "b": 90.0})
    assert _by_entry(1, ahead).what == "clocks.weigh of 3 hosts: 2 of them ahead"
    assert _by_entry(1, entry("canary.probe", "p")).what == "canary.probe of p"
