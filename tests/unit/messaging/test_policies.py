"""What must be true of the policies, whoever changes them."""

import pytest

from phalanx.messaging import POLICIES, Guarantee, Kind, Recipients, policy_of


@pytest.mark.requirement("MSG-1")
def test_every_kind_has_its_policy():
    assert [policy.kind for policy in POLICIES] == list(Kind)
    assert policy_of(Kind.ALERT).recipients is Recipients.EVERYONE
    assert policy_of(Kind.ALERT).paths == policy_of(Kind.DISCOVERY).paths == 2
    assert policy_of(Kind.INTELLIGENCE).recipients is Recipients.AUTHORISED
    assert policy_of(Kind.CONSENSUS).recipients is Recipients.PARTICIPANTS


@pytest.mark.requirement("MSG-5")
def test_alerts_and_consensus_never_give_way():
    lasting = [policy.kind for policy in POLICIES if not policy.yields]
    assert lasting == [Kind.ALERT, Kind.CONSENSUS]
    for policy in POLICIES:
        assert policy.yields or policy.guarantee is Guarantee.DURABLE
        assert not (policy.keeps_newest and policy.acknowledged), "what is acknowledged is not replaced silently"
        assert policy.yields == (policy.priority > 0)
        assert policy.credit > 0
        assert policy.patience_ns > 0
