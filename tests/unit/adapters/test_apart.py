"""Listing devices or opening a store brings no rooms of events and incidents with it."""

import json
import subprocess
import sys

import pytest

FOLLOW_EVENTS = {"intel", "agents", "posture", "incidents"}


def rooms_loaded_by(module):
    script = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    return {name.split(".")[1] for name in json.loads(done.stdout) if name.startswith("phalanx.")}


@pytest.mark.parametrize("package", ["providers", "storage", "keys", "processes"])
def test_devices_and_storage_load_nothing_that_follows_events(package):
    assert not rooms_loaded_by(f"phalanx.adapters.{package}") & FOLLOW_EVENTS


def test_connectors_are_a_package_apart_because_they_do():
    assert "intel" in rooms_loaded_by("phalanx.adapters.connectors")
