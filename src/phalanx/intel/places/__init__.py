"""Where networks are, according to the operator: a table of networks with coordinates, and distances between
places.

Nothing is shipped and no service is queried: a node knows places once somebody loads a table; private networks and
neighbours it knows without one.
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
