"""Agents in four processes agree over a real NATS server, and go on when one process is killed."""

import asyncio

import pytest

from phalanx.bench.consensus._host import Rise, Sit, question_of
from phalanx.bench.consensus._hosts import running_hosts
from phalanx.consensus import COMMIT, ML_DSA, Checks, Instance, decode_certificate, verifier_of
from phalanx.core import NS_PER_S

# Nothing is said again and no view is left before this is over, however slow the machine is.
PATIENT_NS = 600 * NS_PER_S
NOBODY = frozenset()


@pytest.mark.requirement("CON-3", "CON-4")
def test_four_processes_agree_and_three_of_them_go_on():
    async def main():
        async with running_hosts(8, 4, votes=ML_DSA, runs=3) as hosts:
            await hosts.order(Sit(NOBODY, NOBODY, PATIENT_NS, memo=False))
            await hosts.decide(away=NOBODY)
            await hosts.order(Sit(NOBODY, NOBODY, PATIENT_NS))
            first = await hosts.decide(away=NOBODY)
            # Everybody to everybody meanwhile, as the baseline does it.
            await hosts.order(Rise())
            await hosts.everybody()
            await hosts.order(Sit(NOBODY, NOBODY, PATIENT_NS))
            await hosts.kill(3)
            gone = hosts.places(3)
            second = await hosts.decide(away=gone)
            return hosts.epoch, gone, first, second

    epoch, gone, *decisions = asyncio.run(main())
    for decision in decisions:
        instance = Instance(epoch, question_of(decision.number))
        certificate = decode_certificate(decision.certificate)
        assert certificate.phase == COMMIT
        assert certificate.view == 1
        Checks(instance, verifier_of(ML_DSA)).certificate(certificate)
    assert gone == {3, 7}
    assert not gone & set(certificate.voters)
