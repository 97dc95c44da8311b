"""The short commands that show one kind of record."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._main import root


@pytest.mark.parametrize("kind", ["findings", "missions", "assessments", "decisions", "alerts"])
def test_a_listing_may_be_asked_for_by_the_word_that_groups_have_for_it(kind, monkeypatch):
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: {"items": [{"id": "1", "path": kind}], "next": ""})
    for words in ([kind, "--json"], [kind, "list", "--json"]):
        done = CliRunner().invoke(root, words, catch_exceptions=False)
        assert json.loads(done.output) == [{"id": "1", "path": kind}]
    wrong = CliRunner().invoke(root, [kind, "show"])
    assert wrong.exit_code == 2
    assert "'show' is not 'list'" in wrong.output
