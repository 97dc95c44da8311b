import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.ledger._case_pages import PAGE_BYTES, CaseColumn
from phalanx.ledger._limits import CASES_PER_PAGE

pytestmark = pytest.mark.requirement("IRS-4")

FINGERPRINTS = hashlib.shake_256(b"fingerprints").digest(3 * PAGE_BYTES)


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 40), st.integers(0, CASES_PER_PAGE + 5)), max_size=12))
def test_a_column_is_the_same_however_it_grew(steps):
    column, pages, size = CaseColumn(), {}, 0
    for step in steps:
        step = min(step, 3 * CASES_PER_PAGE - size)
        column, changed = column.grown(FINGERPRINTS[8 * size : 8 * (size + step)])
        pages |= changed
        size += step
    whole, at_once = CaseColumn().grown(FINGERPRINTS[: 8 * size])
    assert (column, pages) == (whole, at_once)
    assert b"".join(pages[number] for number in sorted(pages)) == FINGERPRINTS[: 8 * size]
    digest = bytes(32)
    for number in sorted(pages):
        digest = hashlib.sha256(digest + pages[number]).digest()
    assert column.digest == digest
    assert column.room == CASES_PER_PAGE - size % CASES_PER_PAGE
