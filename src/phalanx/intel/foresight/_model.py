"""What was foreseen, by what means, and how well each would have done on what had not happened yet."""

from collections.abc import Sequence

import msgspec

from phalanx.core import InvalidInput, Record, Table

FORESIGHTS = Table("foresights", indexes=("case", "question"), sealed=True)
QUESTIONS = ("evolution", "paths", "risk", "vulnerability", "novelty")


class ForesightMeans(msgspec.Struct, frozen=True, kw_only=True):
    """One method. ``score`` is on findings after the split, which it did not see; none where they cannot judge."""

    method: str
    quantum: bool
    score: float | None


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that was foreseen: by quantum means and by the best classical ones, each in its own unit."""

    subject: str
    quantum: float
    classical: float


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one question. ``measure`` says what scores are, ``less_is_better`` which way they go.

    ``split_ns`` parts what methods saw from what judges them; ``judged`` is how much that is,
    ``by`` names the means that did best, by which what is told is in order (empty: it is in no order), ``floor`` is the
    score of who knows nothing (of a risk: nothing but how often it
    came to pass afterwards).
    """

    question: str
    measure: str
    less_is_better: bool
    means: tuple[ForesightMeans, ...]
    told: tuple[Foretold, ...]
    findings: int
    judged: int
    split_ns: int
    floor: float | None = None
    by: str = ""

    @property
    def best(self) -> ForesightMeans | None:
        """The means that did best on what it had not seen; of equals one that is classical."""
        return best_of(self.means, less_is_better=self.less_is_better)

    @property
    def summary(self) -> str:
        """One line for people."""
        best = ", ".join(f"{one.subject} {one.quantum:.3g}" for one in self.told[:3]) or "nothing"
        scores = ", ".join(
            f"{one.method} {'not judged' if one.score is None else format(one.score, '.3g')}" for one in self.means
        )
        return f"{self.question}: {best}; {self.measure}: {scores}"


def best_of(means: Sequence[ForesightMeans], *, less_is_better: bool) -> ForesightMeans | None:
    """None where nothing could judge them."""
    sign = 1.0 if less_is_better else -1.0
    judged = [(sign * one.score, one.quantum, one.method, one) for one in means if one.score is not None]
    return min(judged, key=lambda one: one[:3])[3] if judged else None


class Foresight(Record, frozen=True, kw_only=True, tag="foresight"):
    """What an agent foresaw. Quantum means were simulated."""

    case: str
    question: str
    seed: int
    seen: Foreseen


def too_few(findings: int, wanted: int) -> InvalidInput:
    return InvalidInput("findings", f"{findings} are too few to part into before and after: {wanted} at least")
