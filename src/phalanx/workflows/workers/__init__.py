"""Workers: processes on this or other machines that do pieces of a node's classical steps.

A **piece** is one call of a pure function that both sides know by name. A node's ``Crew`` chooses between its own
processes and workers, and a worker is a ``Hand``. Between them is a line: in production NATS JetStream.
"""

from phalanx.workflows.workers._crew import Crew
from phalanx.workflows.workers._functions import Function, Functions, function_named
from phalanx.workflows.workers._hand import Hand, HandPlan
from phalanx.workflows.workers._limits import ANSWER_S, BEAT_S, LATER_S, LEASE_S, MAX_PIECE_BYTES, TAKE_S
from phalanx.workflows.workers._line import CrewEnd, CrewLine, HandLine, Taken
from phalanx.workflows.workers._pieces import StepPieces
from phalanx.workflows.workers._roll import WorkerShown
from phalanx.workflows.workers._sealed import WorkerSeals
from phalanx.workflows.workers._tries import PieceAsked, PieceDone, Try, WorkFailed
from phalanx.workflows.workers._words import Answer, Ask, Beat, Done, Fault, Granted, Refused, Ticket, Word

__all__ = [
    "ANSWER_S",
    "BEAT_S",
    "LATER_S",
    "LEASE_S",
    "MAX_PIECE_BYTES",
    "TAKE_S",
    "Answer",
    "Ask",
    "Beat",
    "Crew",
    "CrewEnd",
    "CrewLine",
    "Done",
    "Fault",
    "Function",
    "Functions",
    "Granted",
    "Hand",
    "HandLine",
    "HandPlan",
    "PieceAsked",
    "PieceDone",
    "Refused",
    "StepPieces",
    "Taken",
    "Ticket",
    "Try",
    "WorkFailed",
    "Word",
    "WorkerSeals",
    "WorkerShown",
    "function_named",
]
