"""What is loaded only when it is asked for: listing devices brings no rooms of events and incidents with it."""

import subprocess
import sys

import phalanx.adapters

SCRIPT = """
import sys
import phalanx.adapters as adapters
loaded = {name for name in sys.modules if name.startswith("phalanx.")}
assert not any(name.startswith(("phalanx.intel", "phalanx.agents", "phalanx.posture")) for name in loaded), loaded
adapters.file_source
assert "phalanx.intel" in sys.modules
"""


def test_connectors_are_loaded_when_they_are_asked_for():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)


def test_every_public_name_is_there():
    missing = [name for name in phalanx.adapters.__all__ if not hasattr(phalanx.adapters, name)]
    assert not missing
    assert not hasattr(phalanx.adapters, "nothing_of_that_name")
