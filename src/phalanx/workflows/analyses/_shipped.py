"""The files of this package, read as any other workflow's file is."""

from importlib.resources import files

from phalanx.workflows._files import read_workflow
from phalanx.workflows._template import Template
from phalanx.workflows.operations import BUILT_IN

_OPERATIONS = {one.name: one for one in BUILT_IN}


def _shipped(name: str) -> Template:
    file = files("phalanx.workflows.analyses") / f"{name}.yaml"
    return read_workflow(file.read_text(encoding="utf-8"), _OPERATIONS, file=f"{name}.yaml")


network_anomaly = _shipped("network-anomaly")
indicator_search = _shipped("indicator-search")
attack_path_risk = _shipped("attack-path-risk")
response_planning = _shipped("response-planning")
cryptographic_posture = _shipped("cryptographic-posture")

ANALYSES = (attack_path_risk, cryptographic_posture, indicator_search, network_anomaly, response_planning)
