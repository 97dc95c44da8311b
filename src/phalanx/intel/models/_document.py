"""A model as it is stored and sent: what it is asked about, how events become numbers, its trees, and where it is from.

Reading checks all of it: a document from elsewhere is data that can be wrong, and never code.
"""

import hashlib
import re
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput, LimitExceeded, LogSource, Severity
from phalanx.intel._detector import Pattern
from phalanx.intel.models._coding import Coding
from phalanx.intel.models._limits import BINS, MAX_DOCUMENT_BYTES, MAX_FIELDS, MAX_NAME_CHARS, MAX_STEPS, MAX_WORDS
from phalanx.learning import Calibration, Trees

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_FORM: Final = 1
# What every model must say of itself.
_NEEDED: Final = ("recall_at_threshold", "false_positive_rate_at_threshold")


class Distribution(msgspec.Struct, frozen=True):
    """What a number was like in training: the inner edges of its bins, and the part in each."""

    edges: tuple[float, ...]
    parts: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Distribution":
        """Bins of about equal parts; fewer where values recur."""
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        return cls(
            tuple(float(edge) for edge in edges),
            tuple(float(part) for part in _counts(values, edges) / max(1, len(values))),
        )

    def counts(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many values are in each bin."""
        return _counts(values, np.array(self.edges))

    def psi(self, counts: NDArray[np.float64]) -> float:
        """The population stability index of what came against what was trained on; 0 where it is the same."""
        total = float(counts.sum())
        if not total:
            return 0.0
        # Half an event in every bin, so that an empty one is no infinity.
        came = (counts + 0.5) / (total + 0.5 * len(counts))
        meant = (np.array(self.parts) * total + 0.5) / (total + 0.5 * len(counts))
        return float(np.sum((came - meant) * np.log(came / meant)))


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).astype(float)


class Figure(msgspec.Struct, frozen=True):
    """A figure, and the bounds that hold it with 95 % confidence."""

    value: float
    low: float
    high: float


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was made of, and how good it was on rows that neither training nor its threshold saw.

    ``metrics`` and ``baselines`` are by name, each a figure or a figure with its interval of 95 %.
    """

    data: str
    data_sha256: str
    split: str
    rows: int
    attacks: int
    test_rows: int
    base_rate: float
    seed: int
    library: str
    options: dict[str, float]
    metrics: dict[str, Figure | float | None]
    baselines: dict[str, Figure | float | None]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A trained model. ``floor`` is in log-odds: what scores no more is never told.

    Up to ``ceiling`` the threshold may follow a house; there most of the attacks that passed the floor still pass.
    """

    form: int
    name: str
    title: str
    log_source: LogSource
    severity: str
    techniques: tuple[str, ...]
    coding: Coding
    trees: bytes
    calibration: Calibration
    floor: float
    ceiling: float
    scores: Distribution
    watched: dict[str, Distribution]
    provenance: Provenance

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def pattern(self) -> Pattern:
        """As findings carry it."""
        return Pattern(
            name=f"model-{self.name}", title=self.title, severity=Severity[self.severity.upper()],
            description=f"The model {self.name} scores it above its threshold.", techniques=self.techniques,
            confidence=0.5,
        )  # fmt: skip

    def is_about(self, source: LogSource) -> bool:
        """Whether it is asked about events of ``source``; what is empty matches anything."""
        return covers(self.log_source, source)


def read_document(data: bytes) -> tuple[Document, Trees]:
    """The document in ``data``, checked, and its trees. Raises ``InvalidInput`` and ``LimitExceeded``."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded("bytes of a model", maximum=MAX_DOCUMENT_BYTES, seen=len(data))
    try:
        document = msgspec.msgpack.decode(data, type=Document)
    except msgspec.DecodeError as error:
        raise InvalidInput("model", f"not a stored model: {error}") from None
    if document.form != _FORM:
        raise InvalidInput("model", f"form {document.form} is not known here")
    if not NAME.fullmatch(document.name) or len(document.name) > MAX_NAME_CHARS:
        raise InvalidInput("name", "is of small letters, digits and hyphens")
    if document.severity.upper() not in Severity.__members__:
        raise InvalidInput("severity", f"{document.severity!r} is none")
    trees = Trees.from_bytes(document.trees)
    _check_shape(document, trees)
    _check_measures(document, trees)
    return document, trees


def _check_shape(document: Document, trees: Trees) -> None:
    """Its trees look at what its coding makes, and asking them is not too dear."""
    coding = document.coding
    if len(coding.fields) > MAX_FIELDS or any(len(field.words) > MAX_WORDS for field in coding.fields):
        raise LimitExceeded("fields of a model", maximum=MAX_FIELDS, seen=len(coding.fields))
    if list(trees.features) != coding.features:
        raise InvalidInput("model", "its trees look at other features than its coding makes")
    if (steps := len(trees.roots) * trees.depth) > MAX_STEPS:
        raise LimitExceeded("steps of a model for one event", maximum=MAX_STEPS, seen=steps, hint="fewer trees")


def _check_measures(document: Document, trees: Trees) -> None:
    """What it is held against can be held against, and it says how good it was."""
    if missing := [name for name in _NEEDED if not isinstance(document.provenance.metrics.get(name), Figure)]:
        raise InvalidInput("model", f"it does not say its {missing[0]}")
    if not np.isfinite((document.floor, document.ceiling)).all() or document.ceiling < document.floor:
        raise InvalidInput("model", "its floor and ceiling are none")
    if not set(document.watched) <= set(trees.features):
        raise InvalidInput("model", "it watches what it does not have")
    for known in (document.scores, *document.watched.values()):
        if len(known.parts) != len(known.edges) + 1 or len(known.parts) > BINS or sorted(known.edges) != [*known.edges]:
            raise InvalidInput("model", "a distribution of it is none")
    if len(document.calibration.scores) != len(document.calibration.probabilities) or not document.calibration.scores:
        raise InvalidInput("model", "its calibration is none")


def covers(wanted: LogSource, source: LogSource) -> bool:
    """Whether events of ``source`` are meant by ``wanted``, of which what is empty matches anything."""
    pairs = ((wanted.product, source.product), (wanted.category, source.category), (wanted.service, source.service))
    return all(part in ("", came) for part, came in pairs)
