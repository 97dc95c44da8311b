"""What a run costs. Providers charge in five shapes; all of them are linear with a minimum.

::

    cost = max(minimum, fixed + shots·(per_shot + n₁·per_one + n₂·per_two + n_m·per_measured) + s·per_second)

One formula for all keeps a decision kernel free of cases: ``coefficients`` is what it takes.
"""

from dataclasses import dataclass
from enum import Enum

from phalanx.core import InvalidInput

MICROS = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in millionths of ``currency``: sums of prices are exact. Credits are currencies too."""

    micros: int
    currency: str

    @classmethod
    def of(cls, amount: float, currency: str) -> "Money":
        """Rounded to a millionth."""
        return cls(round(amount * MICROS), currency)

    @property
    def amount(self) -> float:
        return self.micros / MICROS

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise InvalidInput("currency", f"{self.currency} and {other.currency} do not add up")
        return Money(self.micros + other.micros, self.currency)

    def __str__(self) -> str:
        return f"{self.amount:,.4f} {self.currency}"


class PriceShape(Enum):
    """How a provider charges."""

    PER_SECOND = "per-second"
    TASK_AND_SHOT = "task-and-shot"
    GATE_SHOT = "gate-shot"
    CREDITS = "credits"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceModel:
    """One price list. ``as_of_ns`` and ``source`` say when it was true and who says so.

    ``per_month`` is what a subscription costs whatever is run. Everything is in ``currency``.
    """

    shape: PriceShape
    currency: str
    as_of_ns: int
    source: str
    fixed: float = 0.0
    per_shot: float = 0.0
    per_one: float = 0.0
    per_two: float = 0.0
    per_measured: float = 0.0
    per_second: float = 0.0
    minimum: float = 0.0
    per_month: float = 0.0

    @property
    def coefficients(self) -> tuple[float, float, float, float, float, float, float]:
        """(minimum, fixed, per_shot, per_one, per_two, per_measured, per_second)"""
        return (
            self.minimum, self.fixed, self.per_shot, self.per_one, self.per_two, self.per_measured, self.per_second,
        )  # fmt: skip

    def cost(self, shots: int, n_one: int, n_two: int, n_measured: int, seconds: float) -> Money:
        """Of one task of ``shots`` runs of a circuit with so many operations, ``seconds`` of the device in all."""
        per_shot = self.per_shot + n_one * self.per_one + n_two * self.per_two + n_measured * self.per_measured
        return Money.of(max(self.minimum, self.fixed + shots * per_shot + seconds * self.per_second), self.currency)


def price_per_second(
    per_second: float, *, as_of_ns: int, source: str, currency: str = "USD", minimum: float = 0.0
) -> PriceModel:
    """Time on the device."""
    return PriceModel(
        shape=PriceShape.PER_SECOND, currency=currency, as_of_ns=as_of_ns, source=source,
        per_second=per_second, minimum=minimum,
    )  # fmt: skip


def price_per_shot(
    per_task: float, per_shot: float, *, as_of_ns: int, source: str, currency: str = "USD"
) -> PriceModel:
    """A fee for each task and one for each shot."""
    return PriceModel(
        shape=PriceShape.TASK_AND_SHOT, currency=currency, as_of_ns=as_of_ns, source=source,
        fixed=per_task, per_shot=per_shot,
    )  # fmt: skip


def price_per_gate_shot(
    per_one: float, per_two: float, minimum: float, *, as_of_ns: int, source: str, currency: str = "USD"
) -> PriceModel:
    """Each gate of each shot, and never less than ``minimum``."""
    return PriceModel(
        shape=PriceShape.GATE_SHOT, currency=currency, as_of_ns=as_of_ns, source=source,
        per_one=per_one, per_two=per_two, minimum=minimum,
    )  # fmt: skip


def price_in_credits(
    base: float, weights: tuple[float, float, float], divisor: float, *, as_of_ns: int, source: str, currency: str
) -> PriceModel:
    """``base + shots·(w₁·n₁ + w₂·n₂ + w_m·n_m) / divisor`` credits."""
    one, two, measured = (weight / divisor for weight in weights)
    return PriceModel(
        shape=PriceShape.CREDITS, currency=currency, as_of_ns=as_of_ns, source=source,
        fixed=base, per_one=one, per_two=two, per_measured=measured,
    )  # fmt: skip


def subscription(per_month: float, *, as_of_ns: int, source: str, currency: str = "USD") -> PriceModel:
    """A flat rate: one more run costs nothing. What runs on one's own machine is one of 0."""
    return PriceModel(
        shape=PriceShape.SUBSCRIPTION, currency=currency, as_of_ns=as_of_ns, source=source, per_month=per_month
    )


FREE = subscription(0.0, as_of_ns=0, source="this machine")
