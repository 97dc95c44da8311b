"""What a group of commits comes to, without a database."""

import pytest

from phalanx.adapters.storage._grouping import checked, plan
from phalanx.core import Conflict, Delete, Expect, InvalidInput, LimitExceeded, Put, Table, TenantId

NOTES = Table("notes", indexes=("tag",))
ACME = TenantId("acme")


def put(key, value=b"", *tags):
    return Put(NOTES, ACME, key, value, {"tag": tags})


def packed(*tags):
    from phalanx.adapters.storage._grouping import _pack

    return _pack([("tag", tag) for tag in tags])


def test_only_the_net_effect_is_written():
    commits = [
        checked([put("a", b"1", "red")], []),
        checked([put("a", b"2", "red", "blue"), put("b", b"1", "red")], []),
        checked([Delete(NOTES, ACME, "b"), Delete(NOTES, ACME, "never was")], []),
    ]
    planned = plan(commits, {}, 10)
    assert planned.outcomes == [11, 12, 13]
    assert planned.version == 13
    assert [(row[2], row[3], row[4]) for row in planned.puts] == [("a", 12, b"2")]
    assert planned.new_entries == [("notes", ACME, "tag", "blue", "a"), ("notes", ACME, "tag", "red", "a")]
    assert planned.deletes == []
    assert planned.old_entries == []


def test_index_entries_change_only_where_they_differ():
    stored = {("notes", ACME, "a"): (5, packed("kept", "gone")), ("notes", ACME, "b"): (6, packed("red"))}
    planned = plan([checked([put("a", b"", "kept", "new"), Delete(NOTES, ACME, "b")], [])], stored, 6)
    assert planned.new_entries == [("notes", ACME, "tag", "new", "a")]
    assert planned.old_entries == [("notes", ACME, "tag", "gone", "a"), ("notes", ACME, "tag", "red", "b")]
    assert planned.deletes == [("notes", ACME, "b")]


def test_each_commit_sees_the_accepted_ones_before_it():
    first = Expect(NOTES, ACME, "a", 0)
    commits = [
        checked([put("a", b"1")], [first]),
        checked([put("a", b"2"), put("b")], [first]),
        checked([put("a", b"3")], [Expect(NOTES, ACME, "a", 1)]),
        checked([Delete(NOTES, ACME, "a")], []),
        checked([put("a", b"5")], [first]),
    ]
    planned = plan(commits, {}, 0)
    assert [type(outcome) for outcome in planned.outcomes] == [int, Conflict, int, int, int]
    assert planned.outcomes[1].context["found"] == 1
    assert [(row[2], row[4]) for row in planned.puts] == [("a", b"5")], "of the refused commit nothing is left"


def test_a_group_of_refused_commits_changes_nothing():
    stored = {("notes", ACME, "a"): (3, b"")}
    planned = plan([checked([put("a")], [Expect(NOTES, ACME, "a", 0)])], stored, 3)
    assert not planned.changes
    assert (planned.version, planned.puts) == (3, [])


@pytest.mark.parametrize(
    ("writes", "error"),
    [
        ([put("")], InvalidInput),
        ([Put(NOTES, TenantId(""), "k", b"")], InvalidInput),
        ([Delete(NOTES, ACME, "")], InvalidInput),
        ([put("\ud800")], InvalidInput),
        ([put("k", b"", "\udfff")], InvalidInput),
        ([Put(NOTES, ACME, "k", b"", {"colour": ["red"]})], InvalidInput),
        ([put("é" * 257)], LimitExceeded),
        ([put("k", b"", "x" * 1_025)], LimitExceeded),
        ([put("k", bytes((16 << 20) + 1))], LimitExceeded),
        ([Delete(NOTES, ACME, "k")] * 20_001, LimitExceeded),
    ],
)
def test_out_of_bounds_is_refused(writes, error):
    with pytest.raises(error):
        checked(writes, [])


def test_bounds_themselves_are_accepted():
    checked([put("é" * 256, b"", "x" * 1_024)], [Expect(NOTES, ACME, "k" * 512, 0)])
