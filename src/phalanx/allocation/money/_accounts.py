"""One budget in one period: what is held and what is spent of it. Pure.

Invariants: both are never negative; when something is held, held and spent together do not exceed the limit. What a job
took beyond its estimate is spent all the same (it has been used), counted as overrun, and nothing is left then.
"""

import msgspec

from phalanx.core import Record


class Account(Record, frozen=True, kw_only=True, tag="account"):
    """``id`` is budget and period. Amounts in millionths of the budget's unit."""

    held: int = 0
    spent: int = 0
    overrun: int = 0

    def left(self, limit_micros: int) -> int:
        """What may still be held of a limit; a limit that was lowered may leave nothing."""
        return max(0, limit_micros - self.held - self.spent)


def held(account: Account, micros: int, limit_micros: int) -> Account | None:
    """``None`` where that much is not left."""
    assert micros >= 0, micros
    if micros > account.left(limit_micros):
        return None
    return msgspec.structs.replace(account, held=account.held + micros)


def released(account: Account, micros: int) -> Account:
    """What was held is free again."""
    assert 0 <= micros <= account.held, (micros, account.held)
    return msgspec.structs.replace(account, held=account.held - micros)


def settled(account: Account, held_micros: int, spent_micros: int) -> Account:
    """What was held is free again, and what was used is spent."""
    assert spent_micros >= 0, spent_micros
    over = max(0, spent_micros - held_micros)
    freed = released(account, held_micros)
    return msgspec.structs.replace(freed, spent=freed.spent + spent_micros, overrun=freed.overrun + over)
