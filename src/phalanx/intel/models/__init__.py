"""Models trained on labelled events: trained anywhere, stored sealed with their origin, observed before they speak.

``train_model`` is pure and seeded and leaves a ``Document`` behind, which is data and never code. ``Models`` stores
documents: a new one is in shadow, where it is run on events and what it would have said is counted; promoted, it
raises findings; retired, it is kept for the record. ``ModelDetector`` runs them, and reports when events no longer
resemble those a model was trained on.
"""

from phalanx.intel.models._coding import Coding, FieldCoding, fit_coding
from phalanx.intel.models._detector import DRIFTED, ModelDetector
from phalanx.intel.models._document import Document, Figure, Provenance, read_document
from phalanx.intel.models._examples import Example, example_batches, labelled_examples, read_examples
from phalanx.intel.models._limits import MAX_DOCUMENT_BYTES, MIN_SHADOW_EVENTS
from phalanx.intel.models._models import (
    MODEL_BODIES,
    MODELS,
    ModelEntry,
    Models,
    ModelState,
    ModelStatus,
    ModelView,
    Scored,
)
from phalanx.intel.models._training import Labelled, TrainingOptions, labelled_csv, labelled_events, train_model
from phalanx.intel.models._watching import model_view, model_views

__all__ = [
    "DRIFTED",
    "MAX_DOCUMENT_BYTES",
    "MIN_SHADOW_EVENTS",
    "MODELS",
    "MODEL_BODIES",
    "Coding",
    "Document",
    "Example",
    "FieldCoding",
    "Figure",
    "Labelled",
    "ModelDetector",
    "ModelEntry",
    "ModelState",
    "ModelStatus",
    "ModelView",
    "Models",
    "Provenance",
    "Scored",
    "TrainingOptions",
    "example_batches",
    "fit_coding",
    "labelled_csv",
    "labelled_events",
    "labelled_examples",
    "model_view",
    "model_views",
    "read_document",
    "read_examples",
    "train_model",
]
