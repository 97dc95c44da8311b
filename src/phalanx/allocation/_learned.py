"""The policy that has learned: the likeliest few by their layouts, ordered by the fidelity that runs there came to."""

import math
from dataclasses import dataclass

from phalanx.allocation._learner import Learner, Seen
from phalanx.allocation._policies import laid_out, ranked, unlearned_policies
from phalanx.allocation._policy import Case, Policy, PolicyContext, Preference, Ranking

NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Learned:
    """By ``learner``; before it has learned anything it is the success probability."""

    learner: Learner
    name: str = "learned"
    by_layout: bool = True

    def rank(self, case: Case, /) -> Ranking:
        laid, others = laid_out(case, case.fitting)
        found = []
        for one in laid:
            expected = self.learner.outlook(seen_of(case, one.device, one.success)).fidelity
            told = f"fidelity {expected.mean:.1%} ± {expected.sd:.1%} is expected, after {self.learner.n} outcomes"
            found.append(Preference(one.device, expected.mean, told, one.success, one.swaps))
        found.sort(key=lambda one: (-one.score, case.waits(one.device)))
        return ranked([*found, *others], "by what was learned")


def built_in_policies(context: PolicyContext | None = None, learner: Learner | None = None) -> dict[str, Policy]:
    """The policies that come with Phalanx, by name; without a ``learner`` the learned one has learned nothing."""
    learned = Learned(learner or Learner())
    return {**unlearned_policies(context), learned.name: learned}


def seen_of(case: Case, device: str, success: float | None = None) -> Seen:
    """The circuit of ``case`` on ``device``, as a learner sees it; by medians where it was not laid out."""
    at = case.board.place(device)
    if success is None:
        success = min(1.0, math.exp(case.shortlisted.scores[at]))
    known, calibrated = case.model(device).calibration, case.now_ns
    age = known.age_ns(calibrated) / NS_PER_DAY if known.calibrated_at_ns and calibrated else 0.0
    return Seen(
        device=device, circuit=case.circuit.digest, success=success, n_two=case.wanted.n_two, width=case.wanted.width,
        age_days=age, run_s=float(case.seconds[at] - case.waits(device)), wait_s=case.waits(device),
    )  # fmt: skip
