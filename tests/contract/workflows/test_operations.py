"""Every operation that comes with the package keeps the contract of operations."""

import math

import pytest

from phalanx.testing.contracts import OPERATION_CHECKS
from phalanx.workflows.operations import BUILT_IN

LINKS = [["web", "app", 0.6], ["app", "db", 0.5], ["web", "vpn", 0.3], ["vpn", "db", 0.4]]
GRAPH = {"links": LINKS, "source": "web", "goal": "db"}
RESPONSES = [
    {"name": "cut", "cost": 1, "guards": [["vpn", "db"]]},
    {"name": "watch", "cost": 1, "guards": [["web", "app"]], "keeps_out": 0.5},
]  # fmt: skip
BELL = 'OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; h q[0]; cx q[0], q[1]; cx q[1], q[2];'
ROWS = {"usual": [[math.sin(n), math.cos(1.7 * n)] for n in range(40)], "asked": [[4.0, -4.0]]}
LOOK = {"values": [f"v{n}" for n in range(32)], "wanted": ["v3"]}
KEYS = {"keys": [{"name": "vpn", "family": "RSA", "bits": 2048, "secret_until": 2040}]}
CHOICE = {"actions": [["a", 0.4, 1.0], ["b", 0.3, 1.0], ["c", 0.5, 2.0]], "budget": 2}
SIGNAL = {"name": "s", "probability": 0.6, "interval": [0.5, 0.7], "summary": "so"}
ASKED = [[3.0 + math.sin(n), 3.0 + math.cos(1.7 * n)] for n in range(40)]
CLASSES = {
    "rows": ROWS["usual"] + ASKED, "labels": [False] * 40 + [True] * 40, "asked": ASKED[:2], "truth": [True, True],
    "steps": 20,
}  # fmt: skip
ARGUMENTS = {
    "boltzmann-novelty": ROWS, "forest-novelty": ROWS, "classify-rows": CLASSES,
    "classify-by-stumps": CLASSES, "factor-number": {"number": 187},
    "estimate-probability": {"stages": {"in": [0.3, 0.2], "up": [0.5]}, "paths": [["in", "up"]]},
    "forecast-series": {"series": [math.sin(n / 4) for n in range(120)]},
    "generate-traffic": {"attacks": ASKED, "others": ROWS["usual"], "draws": 100, "columns": 2, "steps": 20},
    "segment-hosts": {"links": LINKS, "steps": 20},
    "estimate-mean": {"circuit": BELL, "observable": "Z0 Z1 + X0 X1 X2", "shots": 400},
    "plan-cuts": {"circuit": BELL, "max_qubits": 2},
    "assess": {"about": "host-1", "signals": [SIGNAL]}, "choose-responses": CHOICE, "gaussian-novelty": ROWS,
    "judge-keys": KEYS, "kernel-novelty": ROWS, "key-exposure": KEYS, "look-up-indicators": LOOK,
    "residual-risk": {"graph": GRAPH, "responses": RESPONSES, "chosen": ["cut"]}, "search-indicators": LOOK,
    "shortest-paths": GRAPH, "spread-probability": GRAPH, "walk-paths": GRAPH,
    "weigh-responses": {"graph": GRAPH, "responses": RESPONSES},
}  # fmt: skip


@pytest.mark.requirement("HWF-1", "IRS-5")
@pytest.mark.parametrize("check", OPERATION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("operation", BUILT_IN, ids=lambda one: one.name)
def test_operation(check, operation):
    check(operation, ARGUMENTS[operation.name])
