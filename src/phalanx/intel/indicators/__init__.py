"""Indicators: values to look for, by the hundred million, and where they turn up.

``Indicators.put_many`` adds values, ``match`` looks values up, ``IndicatorDetector`` checks every event. Values are
stored sealed in the store; tables hold digests of 128 bits under a secret key.

Raises ``InvalidInput``, ``LimitExceeded``, ``StorageCorrupt`` and whatever a commit raises.
"""

from phalanx.intel.indicators._by_hand import ByHand, Taken, Wanted
from phalanx.intel.indicators._detector import IndicatorDetector, hits_of, rule_of
from phalanx.intel.indicators._formats import (
    FORMATS,
    FileRead,
    guess_format,
    pieces_of,
    read_csv,
    read_text,
)
from phalanx.intel.indicators._gpu import on_gpu
from phalanx.intel.indicators._hygiene import WarningList, Warninglists, read_warninglist
from phalanx.intel.indicators._indicators import Hygiene, Indicators
from phalanx.intel.indicators._limits import MAX_CALL_VALUES
from phalanx.intel.indicators._looking_up import LookedUp, look_up
from phalanx.intel.indicators._model import (
    EVERYBODY,
    MANIFESTS,
    NOTES,
    VALUES,
    Census,
    Change,
    History,
    Indicator,
    Kind,
    Known,
    Listed,
    Match,
    Note,
    PutReport,
    Refused,
    State,
    Stats,
)
from phalanx.intel.indicators._observables import observables
from phalanx.intel.indicators._retro import RetroHit, RetroMatch, retro_match
from phalanx.intel.indicators._shelf import MemoryShelf, Shelf
from phalanx.intel.indicators._stored import lookups_of
from phalanx.intel.indicators._table import Arithmetic, Digests, IndicatorTable, build_table, table_of, table_pieces
from phalanx.intel.indicators._values import guess_kind
from phalanx.intel.indicators._warming import warm_indicators

__all__ = [
    "EVERYBODY",
    "FORMATS",
    "MANIFESTS",
    "MAX_CALL_VALUES",
    "NOTES",
    "VALUES",
    "Arithmetic",
    "ByHand",
    "Census",
    "Change",
    "Digests",
    "FileRead",
    "History",
    "Hygiene",
    "Indicator",
    "IndicatorDetector",
    "IndicatorTable",
    "Indicators",
    "Kind",
    "Known",
    "Listed",
    "LookedUp",
    "Match",
    "MemoryShelf",
    "Note",
    "PutReport",
    "Refused",
    "RetroHit",
    "RetroMatch",
    "retro_match",
    "Shelf",
    "State",
    "Stats",
    "Taken",
    "Wanted",
    "WarningList",
    "Warninglists",
    "build_table",
    "guess_format",
    "guess_kind",
    "hits_of",
    "observables",
    "look_up",
    "lookups_of",
    "on_gpu",
    "pieces_of",
    "read_csv",
    "read_text",
    "read_warninglist",
    "rule_of",
    "table_of",
    "table_pieces",
    "warm_indicators",
]
