"""What was foreseen, by what means, and how well each would have done on what had not happened yet."""

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
    """A thing that was foreseen: by quantum means and by the best classical ones."""

    subject: str
    quantum: float
    classical: float


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one question. ``measure`` says what scores are, ``less_is_better`` which way they go.

    ``split_ns`` parts what methods saw from what judges them; ``judged`` is how much that is.
    """

    question: str
    measure: str
    less_is_better: bool
    means: tuple[ForesightMeans, ...]
    told: tuple[Foretold, ...]
    findings: int
    judged: int
    split_ns: int

    @property
    def summary(self) -> str:
        """One line for people."""
        best = ", ".join(f"{one.subject} {one.quantum:.3g}" for one in self.told[:3]) or "nothing"
        scores = ", ".join(
            f"{one.method} {'not judged' if one.score is None else format(one.score, '.3g')}" for one in self.means
        )
        return f"{self.question}: {best}; {self.measure}: {scores}"


class Foresight(Record, frozen=True, kw_only=True, tag="foresight"):
    """What an agent foresaw. Quantum means were simulated."""

    case: str
    question: str
    seed: int
    seen: Foreseen


def too_few(findings: int, wanted: int) -> InvalidInput:
    return InvalidInput("findings", f"{findings} are too few to part into before and after: {wanted} at least")
