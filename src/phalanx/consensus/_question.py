"""What is asked: options, what they are about, and how much agreement it takes.

A question names what it is about by a hash (``context``): a decision holds for exactly those bytes.
Asked in an epoch, a question becomes an instance. Its ``slot`` is a digest of the epoch, the context,
the options and the quorum, so the same question in the same epoch is the same instance whoever asks
it, and can have one answer only. Everything signed on the way is the statement built here, once.
"""

import hashlib
import struct
from fractions import Fraction
from functools import lru_cache

import msgspec

from phalanx.consensus._epoch import Epoch
from phalanx.consensus._errors import ThresholdTooLow, UnknownOption
from phalanx.consensus._limits import CONTEXT_BYTES, MAX_OPTION_CHARS, MAX_OPTIONS, MIN_THRESHOLD
from phalanx.core import InvalidInput

PROPOSE, PREPARE, COMMIT, TIMEOUT = range(4)
PHASES = ("propose", "prepare", "commit", "timeout")

_DOMAIN = b"phalanx consensus v1\x00"
_TAIL = struct.Struct(">HB")
_CLAIM = struct.Struct(">HHI")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose one of ``options`` about ``context``, a SHA-256. ``threshold`` is the share that has to agree.

    ``about`` says in words what the context is, for people; it is signed with the rest.
    """

    options: tuple[str, ...]
    context: bytes
    about: str = ""
    threshold: tuple[int, int] = (2, 3)

    def check(self) -> None:
        """Raises ``InvalidInput`` and ``ThresholdTooLow``."""
        if not 2 <= len(self.options) <= MAX_OPTIONS:
            raise InvalidInput("options", f"there are {len(self.options)}, it takes 2 to {MAX_OPTIONS}")
        if len(set(self.options)) < len(self.options):
            raise InvalidInput("options", "one stands there twice")
        if not all(0 < len(one) <= MAX_OPTION_CHARS for one in self.options) or len(self.about) > MAX_OPTION_CHARS:
            raise InvalidInput("options", f"each has 1 to {MAX_OPTION_CHARS} characters")
        if len(self.context) != CONTEXT_BYTES:
            raise InvalidInput("context", f"is a SHA-256 of {CONTEXT_BYTES} bytes, not {len(self.context)}")
        above, below = self.threshold
        if below <= 0 or not MIN_THRESHOLD <= Fraction(above, below) <= 1:
            raise ThresholdTooLow(
                "threshold",
                f"{above}/{below} does not lie within 2/3 and 1",
                hint="below two thirds, traitors could have two answers certified",
            )

    def place(self, option: str) -> int:
        """Where an option stands; raises ``UnknownOption``."""
        try:
            return self.options.index(option)
        except ValueError as error:
            raise UnknownOption("option", f"{option[:80]!r} is none of {', '.join(self.options)}") from error


def quorum_of(total: int, threshold: tuple[int, int]) -> int:
    """The weight that must agree: more than two thirds of ``total``, and no less than the threshold."""
    above, below = threshold
    return max(2 * total // 3 + 1, -(-total * above // below))


class Instance:
    """A question asked in an epoch: its slot, its leaders, its quorum and its statements. Immutable."""

    __slots__ = ("_prefix", "_votes", "all_options", "epoch", "keep", "n", "question", "quorum", "slot", "total",
                 "weak", "weights")  # fmt: skip

    def __init__(self, epoch: Epoch, question: Question) -> None:
        epoch.check()
        question.check()
        self.epoch = epoch
        self.question = question
        self.n = len(epoch.participants)
        self.weights = epoch.weights
        self.total = epoch.total
        self.quorum = quorum_of(self.total, question.threshold)
        # More than all traitors together weigh, so that at least one of so many is honest.
        self.weak = self.total - self.quorum + 1
        # What an honest quorum's voices among any quorum of reports weigh at least.
        self.keep = 2 * self.quorum - self.total
        self.all_options = (1 << len(question.options)) - 1
        asked = msgspec.msgpack.encode(question)
        self.slot = hashlib.sha256(_DOMAIN + epoch.id + asked).digest()
        self._prefix = _DOMAIN + self.slot + epoch.id + question.context
        self._votes: dict[tuple[int, int, int], bytes] = {}

    @property
    def tolerated(self) -> int:
        """Weight that may be silent or lie with a decision still reached, and no two reached ever.

        Who was left out of the epoch is silent, and counts towards it.
        """
        return self.total - self.quorum

    def leader(self, view: int) -> int:
        """Who proposes in ``view`` and collects its votes; each view has another leader."""
        return (int.from_bytes(self.slot[:8]) + view - 1) % self.n

    def vote_statement(self, view: int, phase: int, option: int) -> bytes:
        """What a vote for ``option`` signs."""
        made = self._votes.get((view, phase, option))
        if made is None:
            made = self._statement(view, phase, _option_digest(option, self.question.options[option]))
            self._votes[view, phase, option] = made
        return made

    def proposal_statement(self, view: int, option: int, justification: bytes) -> bytes:
        """What a leader signs: the option and the digest of what it rests on."""
        bound = hashlib.sha256(_option_digest(option, self.question.options[option]) + justification).digest()
        return self._statement(view, PROPOSE, bound)

    def timeout_statement(self, view: int, high_view: int, high_option: int, accepts: int) -> bytes:
        """What is signed by who leaves ``view``: the highest certificate it knows, and what it would accept."""
        return self._statement(view, TIMEOUT, hashlib.sha256(_CLAIM.pack(high_view, high_option, accepts)).digest())

    def _statement(self, view: int, phase: int, digest: bytes) -> bytes:
        return self._prefix + _TAIL.pack(view, phase) + digest


@lru_cache(maxsize=256)
def _option_digest(place: int, option: str) -> bytes:
    return hashlib.sha256(_TAIL.pack(place, 0xFF) + option.encode()).digest()
