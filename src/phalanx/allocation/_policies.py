"""The policies that come with Phalanx, each behind the one interface of ``_policy``.

``composite`` is the documented baseline and saturates among devices of similar quality; ``success_probability`` is the
default. ``least_busy`` and ``best_error`` are what schedulers commonly do. ``pareto`` weighs fidelity, time and money
over those devices that no other one beats in all three.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phalanx.allocation import _board as b
from phalanx.allocation._limits import MAX_SHORTLIST
from phalanx.allocation._policy import Case, Policy, PolicyContext, Preference, Ranking

# What counts as no time and no money: ratios of less mean nothing.
_SECOND, _CENT = 1.0, 0.01


@dataclass(frozen=True, slots=True)
class Compiled:
    """By one compiled score, which ``name`` names."""

    name: str
    by_layout: bool = False

    def rank(self, case: Case, /) -> Ranking:
        decision = case.shortlisted if self.name == "shortlist" else case.decided(self.name)
        # The floor of fidelity is the shortlist's: what is expected below it fits by no score.
        fits = set(case.fitting)
        preferences = [Preference(one.name, one.score, one.reason) for one in decision.considered() if one.name in fits]
        return ranked(preferences, f"by {self.name}")


@dataclass(frozen=True, slots=True)
class LeastBusy:
    """Where it is begun first; of equals, the one that the shortlist prefers."""

    name: str = "least_busy"
    by_layout: bool = False

    def rank(self, case: Case, /) -> Ranking:
        order = sorted(case.fitting, key=lambda one: (case.waits(one), case.board.rows[b.LOAD, case.board.place(one)]))
        preferences = [
            Preference(one, 0.0 - case.waits(one), f"new work waits {case.waits(one):.3g} s there") for one in order
        ]
        return ranked(preferences, "by what waits there")


@dataclass(frozen=True, slots=True)
class BestError:
    """The least median error of two-qubit gates, whatever the circuit."""

    name: str = "best_error"
    by_layout: bool = False

    def rank(self, case: Case, /) -> Ranking:
        error = {one: -math.expm1(case.board.rows[b.LOG_TWO, case.board.place(one)]) for one in case.fitting}
        preferences = [
            Preference(one, -error[one], f"its two-qubit gates fail {error[one]:.3g} of the time (median)")
            for one in sorted(case.fitting, key=lambda one: error[one])
        ]
        return ranked(preferences, "by its two-qubit error")


@dataclass(frozen=True, slots=True)
class SuccessProbability:
    """The circuit laid out on the best few of the shortlist; the likeliest to succeed is first."""

    name: str = "success_probability"
    by_layout: bool = True

    def rank(self, case: Case, /) -> Ranking:
        laid, others = laid_out(case, case.fitting)
        if not laid:
            return ranked(others, "by the shortlist: it could be laid out nowhere")
        best = laid[0]
        told = (
            f"{best.device} is likeliest to succeed ({best.success:.1%} by its layout, {best.swaps} swaps), "
            f"of {len(laid)} laid out and {len(case.fitting)} that fit"
        )
        return Ranking((*laid, *others), told)


@dataclass(frozen=True, slots=True)
class ExpectedFidelity:
    """The likeliest few by their layouts, each simulated under its noise as it is known; the best result is first.

    Not all that goes wrong spoils a result: among near peers this tells more than the chance that nothing does.
    Circuits that are too wide for it go by that chance.
    """

    name: str = "expected_fidelity"
    by_layout: bool = True

    def rank(self, case: Case, /) -> Ranking:
        laid, others = laid_out(case, case.fitting)
        expected = {one.device: case.expected(one.device) for one in laid}
        if not laid or any(value is None for value in expected.values()):
            plain = SuccessProbability().rank(case)
            return Ranking(plain.preferences, f"{plain.reason}; it is not simulated under noise")
        found = [
            Preference(one.device, value, f"fidelity {value:.1%} is expected under its noise", one.success, one.swaps)
            for one in laid
            if (value := expected[one.device]) is not None
        ]
        found.sort(key=lambda one: (-one.score, case.waits(one.device)))
        return ranked([*found, *others], "by the fidelity that is expected under its noise")


@dataclass(frozen=True, slots=True)
class Pareto:
    """Fidelity, time and money: of the devices that none beats in all three, the best by ``weights``.

    Each aim counts as the part of the best that a device reaches, so that weights are about parts, not about units.
    """

    weights: PolicyContext = PolicyContext()  # noqa: RUF009 - frozen
    name: str = "pareto"
    by_layout: bool = True

    def rank(self, case: Case, /) -> Ranking:
        if not case.fitting:
            return ranked([], "")
        places = [case.board.place(one) for one in case.fitting]
        success = np.exp(case.shortlisted.scores[places])
        seconds, prices = case.seconds[places], case.prices[places]
        front = undominated(success, seconds, prices)
        value = self._values(success, seconds, prices)
        order = sorted(range(len(places)), key=lambda at: (not front[at], -value[at]))
        # What a device is worth to this circuit depends on its layout: computed for the best few of the front.
        few = order[: min(len(order), 2 * case.k, MAX_SHORTLIST)]
        laid = {at: case.log_success(case.fitting[at]) for at in few}
        known = [at for at in few if laid[at] is not None]
        if known:
            exact = np.array([math.exp(found[0]) if (found := laid[at]) else 0.0 for at in known])
            again = self._values(exact, seconds[known], prices[known])
            ahead = sorted(range(len(known)), key=lambda at: -again[at])
            first = [
                self._preference(case.fitting[known[at]], again[at], float(exact[at]), seconds[known[at]],
                                 prices[known[at]], laid[known[at]]) for at in ahead
            ]  # fmt: skip
        else:
            first = []
        last = [
            self._preference(case.fitting[at], value[at], float(success[at]), seconds[at], prices[at], None)
            for at in order if at not in known
        ]  # fmt: skip
        return ranked(first + last, f"of {int(front.sum())} that none beats in fidelity, time and money")

    def _values(self, success: np.ndarray, seconds: np.ndarray, prices: np.ndarray) -> np.ndarray:
        weigh, total = self.weights, self.weights.fidelity + self.weights.time + self.weights.money
        value = weigh.fidelity * success / max(float(success.max()), 1e-300)
        value = value + weigh.time * (float(seconds.min()) + _SECOND) / (seconds + _SECOND)
        value = value + weigh.money * (float(prices.min()) + _CENT) / (prices + _CENT)
        made: np.ndarray = value / total
        return made

    @staticmethod
    def _preference(
        device: str, value: float, success: float, seconds: float, price: float, laid: tuple[float, int] | None
    ) -> Preference:
        told = f"success {success:.1%}, {seconds:.3g} s, costs {price:.4g}"
        if laid is None:
            return Preference(device, float(value), f"{told} (by medians)")
        return Preference(device, float(value), told, math.exp(laid[0]), laid[1])


def undominated(success: np.ndarray, seconds: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Which are not beaten: no other one is as good in all three and better in one."""
    points = np.stack([-success, seconds, prices], axis=1)
    beaten = [bool(((points <= one).all(axis=1) & (points < one).any(axis=1)).any()) for one in points]
    return ~np.array(beaten, dtype=bool)


def laid_out(case: Case, order: Sequence[str]) -> tuple[list[Preference], list[Preference]]:
    """The best ``case.k`` of ``order`` by their layouts, then the others as they are."""
    few: list[Preference] = []
    for device in order[: case.k]:
        found = case.log_success(device)
        if found is not None:
            few.append(Preference(device, found[0], "", math.exp(found[0]), found[1]))
    few.sort(key=lambda one: (-one.score, case.waits(one.device)))
    laid = [
        Preference(
            one.device, one.score,
            "best by its layout" if one is few[0] else f"laid out too; {few[0].device} is likelier to succeed",
            one.success, one.swaps,
        )
        for one in few
    ]  # fmt: skip
    known = {one.device for one in laid}
    rest = [
        Preference(one, case.shortlisted.score(one), f"fits, but is not among the best {len(laid)} of the shortlist")
        for one in order if one not in known
    ]  # fmt: skip
    return laid, rest


def ranked(preferences: Sequence[Preference], how: str) -> Ranking:
    """With a sentence on the first."""
    if not preferences:
        return Ranking((), "no device fits")
    first = preferences[0]
    others = f"of {len(preferences)} that fit" if len(preferences) > 1 else "the only one that fits"
    after = f"; next is {preferences[1].device}" if len(preferences) > 1 else ""
    return Ranking(tuple(preferences), f"{first.device} is best {how} ({first.score:.4g}), {others}{after}")


def unlearned_policies(context: PolicyContext | None = None) -> dict[str, Policy]:
    """Those of the policies that come with Phalanx which learn nothing, by name."""
    made: list[Policy] = [
        BestError(), Compiled("composite"), LeastBusy(), Pareto(context or PolicyContext()), Compiled("shortlist"),
        SuccessProbability(), ExpectedFidelity(),
    ]  # fmt: skip
    return {policy.name: policy for policy in made}
