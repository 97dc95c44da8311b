"""Where networks are, as an operator says: a table of networks with coordinates, and the distance between two places.

Nothing is shipped and nobody is asked: a node knows places when somebody loads a table, and private networks and
neighbours without one.
"""

from phalanx.intel.places._limits import MAX_PART_BYTES, MAX_PARTS
from phalanx.intel.places._places import PLACE_PARTS, PLACE_TABLES, Places, PlacesHead
from phalanx.intel.places._table import Place, PlacesRead, PlaceTable, RefusedRow, network_of, read_places

__all__ = [
    "MAX_PARTS",
    "MAX_PART_BYTES",
    "PLACE_PARTS",
    "PLACE_TABLES",
    "Place",
    "PlaceTable",
    "Places",
    "PlacesHead",
    "PlacesRead",
    "RefusedRow",
    "network_of",
    "read_places",
]
