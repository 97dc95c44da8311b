"""A job as a vendor's server keeps it: it waits when it is first asked about, and has ended by the third time."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

_AFTER = 2


class Words(NamedTuple):
    """What a vendor calls where a job stands."""

    waiting: str
    running: str
    done: str
    failed: str
    cancelled: str


@dataclass(slots=True, kw_only=True)
class VendorJob:
    """Goes on when it is asked about. A vendor's own says its ``words``, and keeps what it was sent.

    It takes ``after`` questions; ``fails`` says why it ends without a result, where it does.
    """

    words: ClassVar[Words]
    after: int = _AFTER
    fails: str = ""
    asked: int = 0
    cancelled: bool = False

    def looked_at(self) -> str:
        """Its status, asked for once more."""
        self.asked += 1
        return self.status

    @property
    def status(self) -> str:
        if self.cancelled:
            return self.words.cancelled
        if self.asked <= self.after:
            return self.words.waiting if self.asked <= 1 else self.words.running
        return self.words.failed if self.fails else self.words.done

    @property
    def ended(self) -> bool:
        return self.cancelled or self.asked > self.after

    @property
    def done(self) -> bool:
        return self.status == self.words.done

    def cancel(self) -> bool:
        """Whether it was under way, and is dropped now: what has ended stays as it is."""
        under_way = not self.ended
        self.cancelled = self.cancelled or under_way
        return under_way
