"""`phalanx intel stix import`, `misp import`: what is told of objects that were added."""

import pytest
from click.testing import CliRunner

from phalanx.cli.intel._sharing import show_imported, stix
from phalanx.core import InvalidInput

FOUND = {"added": 3, "known": 1, "upgraded": 0, "indicators": 2, "looked_for": True, "refused": [], "unusable": []}


@pytest.mark.requirement("INT-4")
def test_values_that_are_not_looked_for_are_named_with_the_reason(capsys):
    left = [{"object": "10.1.2.3", "reason": "on a warninglist: reserved by standards"}]
    show_imported({**FOUND, "left": left}, as_json=False)
    told = capsys.readouterr().out
    assert "3 added, 1 known already, 0 refused; 2 values, 1 of which the node looks for" in told
    assert "not looked for: 10.1.2.3: on a warninglist: reserved by standards" in told
    show_imported({**FOUND, "left": []}, as_json=False)
    assert "2 values, which the node looks for" in capsys.readouterr().out
    show_imported({**FOUND, "left": [], "looked_for": False}, as_json=False)
    assert "the node looks for" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["import", "validate"])
def test_a_file_that_is_no_bundle_is_named(tmp_path, command):
    log = tmp_path / "a.log"
    log.write_text("Mar  2 08:30:00 host app: x\n")
    result = CliRunner().invoke(stix, [command, str(log)])
    assert isinstance(result.exception, InvalidInput)
    assert str(result.exception.message).startswith(f"{log}: is not JSON: ")
