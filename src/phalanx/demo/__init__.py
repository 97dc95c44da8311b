"""A replayed intrusion: something to watch, to test with and to measure by.

``Intrusion(seed)`` is a stream in the sources' native formats with its ground truth kept separate; ``replay``
delivers it. All names and addresses are reserved for examples. Raises nothing of its own: ``InvalidInput`` for
parameters out of range.
"""

from phalanx.demo._attack import Deed
from phalanx.demo._company import HOSTS, Host, address_book
from phalanx.demo._headless import deliver, feed, put_together, run_headless
from phalanx.demo._intrusion import DEFAULT_START_NS, Chunk, Intrusion, LineId, event_stream
from phalanx.demo._loopback import on_loopback
from phalanx.demo._lure import Intruder, leave_bait, lures, stand_ins, take_the_bait
from phalanx.demo._machine import Asked, ask_a_machine
from phalanx.demo._replay import Accept, ReplayReport, replay
from phalanx.demo._scoring import Grouped, Tally, tally
from phalanx.demo._sim_node import node_simulation
from phalanx.demo._stories import STORIES

__all__ = [
    "Intruder",
    "leave_bait",
    "on_loopback",
    "lures",
    "stand_ins",
    "take_the_bait",
    "DEFAULT_START_NS",
    "HOSTS",
    "STORIES",
    "Accept",
    "Asked",
    "ask_a_machine",
    "Grouped",
    "Tally",
    "feed",
    "put_together",
    "tally",
    "Chunk",
    "Deed",
    "Host",
    "Intrusion",
    "LineId",
    "ReplayReport",
    "address_book",
    "deliver",
    "event_stream",
    "node_simulation",
    "replay",
    "run_headless",
]
