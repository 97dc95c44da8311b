"""Who goes next: emergencies, who needs a rare device, who has least time; and nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.allocation import Dispatcher, Waiting
from phalanx.core import InvalidInput


def job(name, devices="ab", *, took=1.0, deadline=100.0, emergency=False):
    return Waiting(name, dict.fromkeys(devices, took), 0.0, deadline, emergency=emergency)


@pytest.mark.requirement("QRM-5")
def test_the_order_of_who_goes_next():
    made = Dispatcher("ab")
    for one in (job("any late", deadline=90), job("any soon", deadline=50), job("rare", "a"), job("e", emergency=True)):
        made.add(one)
    assert [made.next("a", 0.0)[0].id for _ in range(4)] == ["e", "rare", "any soon", "any late"]
    made.add(job("rare", "a"))
    assert made.next("b", 0.0) == (None, [])
    with pytest.raises(InvalidInput):
        job("nowhere", "")


@pytest.mark.requirement("QRM-5")
def test_what_would_be_late_is_handed_back_and_not_begun():
    made = Dispatcher("ab")
    made.add(job("late", took=5.0, deadline=4.0))
    made.add(job("fine"))
    found, missed = made.next("a", 0.0)
    assert (found.id, [one.id for one in missed], made.waiting) == ("fine", ["late"], 0)
    made.add(Waiting("slow here", {"a": 9.0, "b": 1.0}, 0.0, 5.0))
    assert made.next("a", 0.0) == (None, [])
    assert made.next("b", 0.0)[0].id == "slow here"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "ab", "abc", "bc"]), st.integers(1, 9), st.integers(1, 40), st.booleans()))
)
def test_every_job_comes_out_once_where_it_fits_and_in_time(drawn):
    made = Dispatcher("abc")
    jobs = {
        str(at): job(str(at), devices, took=float(took), deadline=float(due), emergency=sudden)
        for at, (devices, took, due, sudden) in enumerate(drawn)
    }
    for one in jobs.values():
        made.add(one)
    seen, now = [], 0.0
    while made.waiting:
        for device in "abc":
            found, missed = made.next(device, now)
            seen += [one.id for one in missed]
            assert all(now + min(one.took_s.values()) > one.deadline_s and not one.emergency for one in missed)
            if found is not None:
                seen.append(found.id)
                assert device in found.took_s
                assert found.emergency or now + found.took_s[device] <= found.deadline_s
        now += 1.0
    assert sorted(seen) == sorted(jobs)
