"""Decoys and canaries: things that nobody has a reason to touch, so that whoever does is detected.

Ports that look like services, user names that nobody has, files that contain them. A touch is captured within
bounds, alerted, and put into the node's own intake, from where it takes the path of every event: finding, mission,
assessment, decision, ledger. Nothing here runs, opens or forwards what comes in.

``decoy_duty`` and ``canary_file_duty`` are the duties of deception agents; ``Decoys`` says what is deployed.

Raises nothing of its own: ``Unavailable`` if a port cannot be opened.
"""

from phalanx.deception._canaries import CanaryFiles, bait, canary_users
from phalanx.deception._dialogues import DIALOGUES, Dialogue
from phalanx.deception._duties import canary_file_duty, decoy_duty
from phalanx.deception._listening import DecoyPorts
from phalanx.deception._model import CANARIES, CAPTURES, CanaryUser, Capture, Decoys
from phalanx.deception._rules import account_rules
from phalanx.deception._skills import TOUCH, TOUCH_RULES, profile_touch_skill, sweep_canaries_skill

__all__ = [
    "CANARIES",
    "TOUCH",
    "TOUCH_RULES",
    "profile_touch_skill",
    "sweep_canaries_skill",
    "CAPTURES",
    "DIALOGUES",
    "CanaryFiles",
    "CanaryUser",
    "Capture",
    "Decoys",
    "DecoyPorts",
    "Dialogue",
    "account_rules",
    "bait",
    "canary_file_duty",
    "canary_users",
    "decoy_duty",
]
