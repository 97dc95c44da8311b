"""The agreement section: decisions verified as they are shown, and who was convicted."""

import pytest

from phalanx.consensus import (
    COMMIT,
    PREPARE,
    Agreement,
    Certificate,
    Epoch,
    EpochSeal,
    Instance,
    LeftOut,
    MlDsaVotes,
    Objection,
    Participant,
    Question,
    Vote,
    Wrong,
    contradiction,
)
from phalanx.core import DEFAULT_TENANT, NO_TRACE

pytestmark = pytest.mark.requirement("CON-4")


async def decided(node, *, honest=True):
    """Four participants decide; or somebody has put a certificate there that is none."""
    signers = [MlDsaVotes.generate() for _ in range(4)]
    participants = tuple(Participant(f"agent-{place}", "", one.root) for place, one in enumerate(signers))
    fixed_by, at_ns = str(node.identities.node.subject), node.clock.wall_ns()
    number = await node.agreements.next_number()
    epoch = Epoch(
        number=number, votes="ml-dsa", participants=participants, fixed_by=fixed_by, at_ns=at_ns,
        left_out=(LeftOut("agent-9", "heartbeat too old"),),
    )  # fmt: skip
    instance = Instance(epoch, Question(("approve", "refuse"), bytes(32), about="isolate-host of host:<b>ws-7</b>"))
    statement = instance.vote_statement(1, COMMIT, 0 if honest else 1)
    signatures = tuple(one.sign(statement) for one in signers)
    certificate = Certificate(instance.slot, 1, COMMIT, 0, (0, 1, 2, 3), signatures)
    said = Objection("agent-9", "agent-9", Wrong.LEFT_OUT, b"")
    await node.agreements.keep_epoch(
        epoch, EpochSeal.of(epoch, node.identities.node), accepted=4, objections=[said], chains={}
    )
    await node.agreements.keep(DEFAULT_TENANT, NO_TRACE, Agreement(instance, certificate))
    votes = [
        Vote(instance.slot, 1, 1, PREPARE, one, signers[1].sign(instance.vote_statement(1, PREPARE, one)))
        for one in (0, 1)
    ]
    await node.agreements.convict(DEFAULT_TENANT, instance, contradiction(*votes))


def test_decisions_are_verified_as_they_are_shown_and_the_convicted_named(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = (await visit.http.get("/agreement")).text
        assert "response.agreement" in empty
        await decided(visit.node)
        page = (await visit.http.get("/agreement")).text
        assert "verified</span>" in page
        assert "4 of 5: agent-0, agent-1, agent-2, agent-3" in page
        assert "&lt;b&gt;ws-7" in page
        assert "equivocation: prepare vote in view 1" in page
        assert "does not hold" not in page
        assert "agent-9: heartbeat too old" in page
        assert "agent-9 says of agent-9: left out though heard" in page
        assert "4 of 5" in page

    on_pages(work)


def test_a_certificate_that_proves_nothing_is_shown_as_such(on_pages):
    async def work(visit):
        await visit.sign_in()
        await decided(visit.node, honest=False)
        page = (await visit.http.get("/agreement")).text
        assert "does not hold" in page

    on_pages(work)
