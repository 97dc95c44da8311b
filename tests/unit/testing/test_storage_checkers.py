"""The checkers of the simulation ``storage``, each shown the one thing it must complain of."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, Row
from phalanx.testing import Checker
from phalanx.testing._sim_storage import JournalChecker, StoreChecker

A, B = (b"a0", b"a1"), (b"b0", b"b1")


def journal(inspect, *, trimmed=0):
    """What is said of a journal that acknowledged A at 0, then was asked for B and crashed."""
    checker = Checker()
    made = JournalChecker(checker)
    made.attempt(A)
    made.acknowledge(A, 0)
    made.attempt(B)
    made.trim(trimmed)
    inspect(made)
    return checker.violations


@pytest.mark.parametrize("content", [A, A + B])
def test_a_journal_may_keep_what_it_did_not_acknowledge_or_not(content):
    assert journal(lambda made: made.inspect(0, list(content))) == []


def test_a_trimmed_journal_may_begin_later():
    assert journal(lambda made: made.inspect(2, list(B)), trimmed=2) == []


@pytest.mark.parametrize(
    ("start", "content", "complaint"),
    [
        (0, [], "lost or changed"),
        (0, [b"a0"], "lost or changed"),
        (0, [b"a0", b"XX"], "lost or changed"),
        (0, [b"a0", b"a1", b"b0"], "part of a batch"),
        (0, [b"a0", b"a1", b"b1"], "should not"),
        (0, [b"a0", b"a1", b"b0", b"b1", b"b0", b"b1"], "should not"),
        (0, [b"a0", b"a1", b"a0", b"a1"], "should not"),
        (2, [b"b0", b"b1"], "not trimmed"),
    ],
)
def test_a_journal_that_breaks_its_word_is_reported(start, content, complaint):
    violations = journal(lambda made: made.inspect(start, content))
    assert any(complaint in violation for violation in violations), violations


def test_what_a_restart_has_shown_must_stay():
    def inspect(made):
        made.inspect(0, [*A, *B])
        made.inspect(0, list(A))

    assert any("lost or changed" in violation for violation in journal(inspect))


def test_an_offset_is_given_once_and_a_refusal_is_kept():
    def again(made):
        made.acknowledge(B, 1)

    assert any("twice" in violation for violation in journal(again))

    def refused(made):
        made.refuse(B)
        made.inspect(0, [*A, *B])

    assert any("should not" in violation for violation in journal(refused))


class FixedStore:
    """A store with these rows for ada, whatever was committed."""

    def __init__(self, n, twin, *, listed=None):
        self.rows = {"ada": Row("ada", b"%d" % n, 1)} if n else {}
        if twin:
            self.rows["ada/twin"] = Row("ada/twin", b"%d" % twin, 1)
        self.listed = list(self.rows.values()) if listed is None else listed

    async def get(self, table, tenant, key):
        assert tenant == DEFAULT_TENANT
        return self.rows.get(key)

    async def find(self, table, tenant, index, value):
        return self.listed if value == "ada" else []


def store(found, *, acknowledged=2, attempted=3):
    checker = Checker()
    made = StoreChecker(checker)
    made.attempt("ada", acknowledged)
    made.settle("ada", acknowledged)
    made.attempt("ada", attempted)
    asyncio.run(made.inspect(found))
    return checker.violations


@pytest.mark.parametrize("found", [FixedStore(2, None), FixedStore(3, 3)])
def test_a_store_may_keep_the_commit_that_was_under_way_or_not(found):
    assert store(found) == []


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (FixedStore(1, 1), "lost a commit"),
        (FixedStore(0, None), "lost a commit"),
        (FixedStore(4, None), "made one up"),
        (FixedStore(3, None), "part of a commit"),
        (FixedStore(2, 1), "part of a commit"),
        (FixedStore(3, 3, listed=[]), "index and rows"),
    ],
)
def test_a_store_that_breaks_its_word_is_reported(found, complaint):
    assert any(complaint in violation for violation in store(found))
