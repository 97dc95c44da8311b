"""Which keys a quantum computer will break while what they protect must still be secret.

Whether there will be such a machine, and when, nobody knows: ``machine_year`` and ``spread_years`` are the user's
assumption, and the answer says so. Shor's algorithm runs all the way on a toy number to show what the threat is;
real sizes are judged by published counts (``phalanx.quantum.resources``).
"""

import math
from typing import Literal

import msgspec

from phalanx.core import InvalidInput
from phalanx.quantum.resources import to_break
from phalanx.quantum.routines import Answer, factor
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

MAX_KEYS = 1_000
_TOY = 187
_POST_QUANTUM = ("ML-KEM", "ML-DSA", "SLH-DSA", "FN-DSA", "AES", "HMAC")


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``secret_until`` is the year until which what it guards must stay secret; a signature's is when it ends."""

    name: str
    family: Literal["RSA", "DSA", "DH", "EC", "ML-KEM", "ML-DSA", "SLH-DSA", "FN-DSA", "AES", "HMAC"]
    bits: int
    secret_until: float


class KeysAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys, and when a machine that breaks RSA of 2,048 bits is assumed, give or take."""

    keys: list[Key]
    this_year: float = 2026.0
    machine_year: float = 2035.0
    spread_years: float = 4.0


class KeyJudged(msgspec.Struct, frozen=True, kw_only=True):
    """The chance that it falls before it may, and what its breaking takes."""

    name: str
    chance: float
    takes: str
    replace_with: str


class Exposure(Compared, frozen=True, kw_only=True):
    """What the toy run showed, and each key with what breaking it takes."""

    shown: str
    takes: dict[str, str]
    signal: Signal


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Keys, those that fall first before the others."""

    keys: list[KeyJudged]
    signal: Signal


def falls(key: Key, asked: KeysAsked) -> float:
    """A logistic curve around the assumed year, moved by how much more or less than RSA-2048 the key takes."""
    if key.family in _POST_QUANTUM:
        return 0.0
    size = to_break(key.family, key.bits)  # type: ignore[arg-type]
    base = to_break("RSA", 2048)
    # One doubling of what a machine must do is taken for one year.
    later = math.log2(max(size.toffolis, 1) * size.logical_qubits / (base.toffolis * base.logical_qubits))
    return 1.0 / (1.0 + math.exp(-(key.secret_until - asked.machine_year - later) / asked.spread_years * 2.0))


def _check(asked: KeysAsked) -> None:
    if not 1 <= len(asked.keys) <= MAX_KEYS:
        raise InvalidInput("keys", f"1 to {MAX_KEYS:,} of them, got {len(asked.keys)}")
    if not 0 < asked.spread_years < math.inf:
        raise InvalidInput("spread_years", f"is above zero, got {asked.spread_years}")
    for at, key in enumerate(asked.keys):
        if key.family not in _POST_QUANTUM and not 8 <= key.bits <= 1 << 20:
            raise InvalidInput(f"keys[{at}].bits", f"{key.name} of {key.bits} bits cannot be judged")


def _worst(asked: KeysAsked, name: str, method: str, weight: float) -> Signal:
    chances = {key.name: falls(key, asked) for key in asked.keys}
    worst = max(chances, key=lambda one: (chances[one], one))
    sooner, later = (
        max(falls(key, msgspec.structs.replace(asked, machine_year=asked.machine_year + by)) for key in asked.keys)
        for by in (-asked.spread_years, asked.spread_years)
    )
    summary = (
        f"{method}: {worst} falls in time with {chances[worst]:.2f} if a machine is there about "
        f"{asked.machine_year:.0f} ± {asked.spread_years:.0f}, which is assumed"
    )
    return Signal(name=name, probability=chances[worst], interval=(later, sooner), summary=summary, weight=weight)


async def by_counts(context: StepContext, asked: KeysAsked) -> Exposure:
    """Published counts alone."""
    _check(asked)
    return _exposure(context.step, asked, "published counts", "no circuit was run")


def _exposure(name: str, asked: KeysAsked, method: str, shown: str) -> Exposure:
    takes = {
        key.name: to_break(key.family, key.bits).told()  # type: ignore[arg-type]
        if key.family not in _POST_QUANTUM
        else "no quantum algorithm is known that breaks it"
        for key in asked.keys
    }
    return Exposure(shown=shown, takes=takes, signal=_worst(asked, name, method, 1.0))


def run_shor(seed: int) -> Answer:
    return factor(_TOY, seed=seed)


@operation(
    "key-exposure", title="Shor's algorithm on a toy number, and what real keys take", gives=Exposure,
    fallback=by_counts,
)  # fmt: skip
async def expose(context: StepContext, asked: KeysAsked) -> StepOutput:
    """A run to the end, simulated; it says nothing about keys by itself."""
    _check(asked)
    need_quantum(context)
    answer: Answer = await context.processes.run(run_shor, context.seed)
    shown = f"{_TOY} fell to {answer.found.get('factors', answer.found)}"
    return answered(
        _exposure(context.step, asked, "Shor's algorithm, with published counts for real keys", shown), answer
    )


@operation("judge-keys", title="Which keys to replace first, by how long they guard", gives=Judged)
async def judge(context: StepContext, asked: KeysAsked) -> Judged:
    """Mosca's order: what must be secret longest under what falls first."""
    _check(asked)
    rows = []
    for key in asked.keys:
        better = {"EC": "ML-KEM-768 or ML-DSA-65", "RSA": "ML-KEM-768 or ML-DSA-65", "DH": "ML-KEM-768"}
        takes = "–" if key.family in _POST_QUANTUM else to_break(key.family, key.bits).published  # type: ignore[arg-type]
        rows.append(
            KeyJudged(
                name=key.name, chance=falls(key, asked), takes=takes or "see the counts",
                replace_with="" if key.family in _POST_QUANTUM else better.get(key.family, "ML-DSA-65"),
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (-row.chance, row.name))
    exposed = sum(row.chance > 0.5 for row in rows)
    signal = _worst(asked, context.step, f"{exposed} of {len(rows)} keys fall before they may", 1.0)
    return Judged(keys=rows, signal=signal)
