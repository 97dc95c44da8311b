"""Which device a circuit goes to, and who has which resource when.

A decision knows what a circuit asks for and what devices are like now, and explains itself. The calendar books
devices, workers and whatever else expires, together and in advance, and keeps a reserve for emergencies.

Limits: the compiled tier knows medians of a device, not the layout of a circuit on it; what it calls log success is
good for an order, not as a probability.

Errors::

    PhalanxError (core)
    └── Unavailable (core)
        ├── DeviceFailed   one device did not do its work
        ├── NoDeviceLeft   every device that fits has failed, or is paused because it did
        ├── NothingFits    no device meets the requirement; says why for each
        └── NoWindow       nothing is free in time
"""

from phalanx.allocation._board import Board, Standing
from phalanx.allocation._booked import Booked
from phalanx.allocation._calendar import Ask, Bookable, Booking, BookingState, Calendar, Grade
from phalanx.allocation._deciding import Considered, Decider, Decision, kernel_of, warm_decisions
from phalanx.allocation._dispatching import Dispatcher, Waiting
from phalanx.allocation._errors import DeviceFailed, NoDeviceLeft, NothingFits, NoWindow
from phalanx.allocation._experience import EXPERIENCE, Experience, PolicyValue, Promotion, valued
from phalanx.allocation._explaining import (
    DeviceReason,
    Explanation,
    explain,
    explained,
    published_devices,
    published_machine,
)
from phalanx.allocation._failover import Breakers, Ran, run_somewhere
from phalanx.allocation._layouts import USUAL_NS, Layout, Layouts, standing_of
from phalanx.allocation._learned import Learned, built_in_policies
from phalanx.allocation._learner import Learner, Outlook, Seen
from phalanx.allocation._outcomes import worth_of
from phalanx.allocation._placements import Placements
from phalanx.allocation._plain import shortlist_loop
from phalanx.allocation._policies import (
    BestError,
    Compiled,
    ExpectedFidelity,
    LeastBusy,
    Pareto,
    SuccessProbability,
)
from phalanx.allocation._policy import (
    POLICIES_GROUP,
    Case,
    Policy,
    PolicyContext,
    Preference,
    Ranking,
)
from phalanx.allocation._requirement import FEED_FORWARD, MID_CIRCUIT, Counts, Requirement, requirement_of
from phalanx.allocation._reservations import BOOKABLES, BOOKINGS, Reservations
from phalanx.allocation._shapes import Shape, shape_of
from phalanx.allocation._trying import Trials
from phalanx.allocation._waiting import JobNow, JobWait
from phalanx.devices import noise_of

__all__ = [
    "BOOKABLES",
    "BOOKINGS",
    "EXPERIENCE",
    "FEED_FORWARD",
    "MID_CIRCUIT",
    "POLICIES_GROUP",
    "USUAL_NS",
    "Ask",
    "BestError",
    "Board",
    "Bookable",
    "Booked",
    "Booking",
    "BookingState",
    "Breakers",
    "Calendar",
    "Case",
    "Compiled",
    "Considered",
    "Counts",
    "Decider",
    "Decision",
    "DeviceFailed",
    "DeviceReason",
    "Dispatcher",
    "ExpectedFidelity",
    "Experience",
    "Explanation",
    "Grade",
    "JobNow",
    "JobWait",
    "Layout",
    "Layouts",
    "Learned",
    "Learner",
    "LeastBusy",
    "NoDeviceLeft",
    "NoWindow",
    "NothingFits",
    "Outlook",
    "Pareto",
    "Placements",
    "Policy",
    "PolicyContext",
    "PolicyValue",
    "Preference",
    "Promotion",
    "Ran",
    "Ranking",
    "Requirement",
    "Reservations",
    "Seen",
    "Shape",
    "Standing",
    "SuccessProbability",
    "Trials",
    "Waiting",
    "built_in_policies",
    "explain",
    "explained",
    "kernel_of",
    "noise_of",
    "published_devices",
    "published_machine",
    "requirement_of",
    "run_somewhere",
    "shape_of",
    "shortlist_loop",
    "standing_of",
    "valued",
    "warm_decisions",
    "worth_of",
]
