"""`phalanx keys algorithms` says what the policy in force says, not what a policy could say."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli.keys._group import keys


@pytest.mark.requirement("CRY-1")
def test_an_algorithm_that_the_settings_forbid_is_listed_as_forbidden():
    ran = CliRunner().invoke(
        keys, ["algorithms", "--no-speed", "--json", "--set", 'crypto.forbidden=["ML-DSA-44"]'], catch_exceptions=False
    )
    verdicts = {row["name"]: row["policy"] for row in json.loads(ran.output)}
    assert verdicts["ML-DSA-44"] == "the policy forbids it"
    assert verdicts["ML-DSA-65"] == "allowed"
    assert "not final" in verdicts["FN-DSA-512"]
