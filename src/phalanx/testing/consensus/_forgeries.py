"""Messages that look like others' and are not: wrong signatures, wrong numbers, too long, too many."""

from collections.abc import Iterable

from phalanx.consensus import (
    COMMIT,
    MAX_VIEWS,
    PREPARE,
    Certificate,
    Fetch,
    Message,
    Nudge,
    Proposal,
    Timeout,
    Vote,
)
from phalanx.testing.consensus._field import Field

_LONG = bytes(20_000)


def forgeries(field: Field, place: int, view: int, habit: str, known: Iterable[Certificate] = ()) -> list[Message]:
    """What a traitor at ``place`` with this habit says in ``view``."""
    instance, rng = field.instance, field.rng
    slot, n, options = instance.slot, instance.n, field.plan.options
    own = field.signers[place]
    option = rng.integer(0, options)
    if habit == "stranger":
        # Whoever took the place of a replaced participant has a key that the epoch does not know.
        stranger = field.verifier.issue(f"stranger at {place}")
        signature = stranger.sign(instance.vote_statement(view, PREPARE, option))
        return [Vote(slot, place, view, PREPARE, option, signature), Vote(slot, n, view, PREPARE, option, signature)]
    if habit == "oversized messages":
        voters = tuple(range(n))
        return [
            Vote(slot, place, view, PREPARE, option, _LONG),
            Certificate(slot, view, COMMIT, option, voters * 3, (_LONG,) * (3 * n)),
            Timeout(slot, place, view, view, option, 1 << 40, _LONG),
            Proposal(slot, place, MAX_VIEWS + view, option, None, _LONG),
            Nudge(slot, ()),
            Fetch(slot, 1 << 20),
        ]
    statement = instance.vote_statement(view, COMMIT, option)
    signature = own.sign(statement)
    voters = tuple(range(n))
    if habit == "cache poisoning":
        # Like certificates that were verified, but for another option, another phase, or with other votes.
        return [
            altered
            for one in known
            for altered in (
                Certificate(slot, one.view, COMMIT, one.option, one.voters, one.signatures),
                Certificate(slot, one.view, one.phase, (one.option + 1) % options, one.voters, one.signatures),
                Certificate(slot, one.view, COMMIT, option, one.voters, (signature,) * len(one.voters)),
            )
        ]
    few = tuple(sorted({place, *range(max(1, n // 3))}))
    return [
        Vote(slot, (place + 1) % n, view, COMMIT, option, signature),
        Certificate(slot, view, COMMIT, option, voters, (signature,) * n),
        Certificate(slot, view, COMMIT, option, (place,) * n, (signature,) * n),
        Certificate(slot, view, PREPARE, option, (place,), (signature,)),
        Certificate(slot, view, COMMIT, option, few, (signature,) * len(few)),
        Certificate(slot, view, COMMIT, option + options, voters, (signature,) * n),
        Certificate(slot, 0, COMMIT, option, voters, (signature,) * n),
        Certificate(bytes(32), view, COMMIT, option, voters, (signature,) * n),
    ]
