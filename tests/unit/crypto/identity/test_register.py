"""What was verified is forgotten whenever the standing changes, and only then."""

import pytest

from phalanx.core import Overloaded
from phalanx.crypto.identity import EpochPassed, Register, Revocation, Revoked, Subject, Why, sign_list
from phalanx.crypto.identity import _register as register_module


class Nobody:
    def alert(self, *_, **__):
        pass


NOW_NS = 1_800_000_000 * 10**9


def revoked(house, one, since_ns=NOW_NS):
    entry = Revocation(
        serial=one.chain.leaf.serial, subject=str(one.subject), why=Why.CEASED, since_ns=since_ns,
        not_after_ns=one.chain.leaf.not_after_ns,
    )  # fmt: skip
    return sign_list(house.root.subject, house.root.key, number=1, at_ns=NOW_NS, entries=(entry,))


@pytest.mark.requirement("ZTA-3")
def test_a_change_of_standing_forgets_everything_that_was_verified(house):
    register = Register(Nobody())
    verified = house.validate(house.agent.chain)
    for change in (
        lambda: register.apply(revoked(house, house.person)),
        lambda: register.set_epochs(Subject.parse("node:acme/other"), ((NOW_NS, 2),)),
    ):
        register.remember(("chain", "sign"), verified)
        assert register.remembered(("chain", "sign"), NOW_NS) is verified
        change()
        assert register.remembered(("chain", "sign"), NOW_NS) is None


def test_what_is_remembered_still_expires_and_still_falls_to_a_date_ahead(house):
    register = Register(Nobody())
    register.apply(revoked(house, house.agent, since_ns=NOW_NS + 10))
    register.set_epochs(house.node.subject, ((NOW_NS + 5, 2),))
    verified = house.validate(house.agent.chain)
    register.remember(("chain", "sign"), verified)
    assert register.remembered(("chain", "sign"), NOW_NS + 4) is verified
    with pytest.raises(EpochPassed):
        register.remembered(("chain", "sign"), NOW_NS + 5)
    with pytest.raises(Revoked):
        register.remembered(("chain", "sign"), NOW_NS + 10)
    assert register.remembered(("chain", "sign"), verified.until_ns) is None
    assert register.remembered(("chain", "sign"), verified.at_ns - 1) is None


def test_memory_and_listeners_are_bounded(house, monkeypatch):
    monkeypatch.setattr(register_module, "MAX_VERIFIED", 2)
    monkeypatch.setattr(register_module, "MAX_LISTENERS", 1)
    register = Register(Nobody())
    verified = house.validate(house.agent.chain)
    for name in "abc":
        register.remember((name,), verified)
    assert [register.remembered((name,), NOW_NS) is verified for name in "abc"] == [False, True, True]
    end = register.listen(print)
    with pytest.raises(Overloaded):
        register.listen(print)
    end()
    register.listen(print)
