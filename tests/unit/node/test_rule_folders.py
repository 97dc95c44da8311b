"""Folders of rules as they are found in the wild: none of them keeps a node from starting."""

import os

import pytest

from phalanx.deception import account_rules
from phalanx.intel import load_rules
from phalanx.node import Settings
from phalanx.node.detection._rules import _marks, detection_rules

RULE = """
title: {name}
name: {name}
logsource: {{product: windows}}
detection: {{sel: {{A|contains: {values}}}, condition: sel}}
"""


def test_a_zero_in_a_value_is_looked_for_and_stops_nothing(tmp_path):
    values = '["\\\\0abcd", "efgh\\\\0ijkl", "mnop", "qrst", "uvwx", "yzab"]'
    (tmp_path / "zero.yml").write_text(RULE.format(name="zero", values=values.replace("\\\\", "\\")))
    loaded = load_rules(tmp_path)
    assert loaded.refused == ()
    assert "zero" in loaded.rules


def test_a_volume_that_has_each_file_twice_has_each_rule_once(tmp_path):
    hidden = tmp_path / "..2026_11_27"
    hidden.mkdir()
    (hidden / "one.yml").write_text(RULE.format(name="one", values="[abcd]"))
    (tmp_path / "one.yml").symlink_to(hidden / "one.yml")
    (tmp_path / "two.YML").write_text(RULE.format(name="two", values="[abcd]"))
    loaded = load_rules(tmp_path)
    assert loaded.refused == ()
    assert {"one", "two"} <= loaded.rules.keys()
    assert len(_marks(tmp_path)) == 2


def test_a_rule_that_has_the_name_of_one_of_the_nodes_own_is_left_out_and_told(tmp_path):
    users = ("svc-canary",)
    own = account_rules(users)
    assert own
    (tmp_path / "mine.yml").write_text(RULE.format(name="canary-account-windows", values="[abcd]"))
    settings = Settings()
    intake = settings.intake.model_copy(update={"rules_dir": tmp_path})
    deception = settings.deception.model_copy(update={"users": users})
    loaded = detection_rules(settings.model_copy(update={"intake": intake, "deception": deception}))
    assert [one.file for one in loaded.refused] == ["canary-account-windows"]
    assert loaded.rules["canary-account-windows"].title != "canary-account-windows"


def test_a_folder_that_is_linked_is_read_once_also_where_links_go_round(tmp_path):
    hidden = tmp_path / "..2026_11_27" / "team"
    hidden.mkdir(parents=True)
    (hidden / "one.yml").write_text(RULE.format(name="one", values="[abcd]"))
    (tmp_path / "team").symlink_to(hidden)
    (hidden / "round").symlink_to(tmp_path)
    loaded = load_rules(tmp_path)
    assert loaded.refused == ()
    assert "one" in loaded.rules
    assert len(_marks(tmp_path)) == 1


@pytest.fixture
def closed_folder(tmp_path, monkeypatch):
    """A folder with a rule, and one in it that nobody may list; whoever runs the tests may be allowed everything."""
    (tmp_path / "one.yml").write_text(RULE.format(name="one", values="[abcd]"))
    for name in ("closed", "lost+found"):
        (tmp_path / name).mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith(("closed", "lost+found")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return tmp_path


@pytest.mark.requirement("INT-2")
def test_a_folder_that_cannot_be_read_is_named_as_a_file_is(closed_folder):
    loaded = load_rules(closed_folder)
    assert "one" in loaded.rules
    ((file, reason, unsupported, _),) = loaded.refused
    assert (file, reason, unsupported) == ("closed/", "the folder cannot be read: Permission denied", False)
    assert len(_marks(closed_folder)) == 2, "and it is noticed when that changes"


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    refused = [(one.file, one.reason) for one in load_rules(tmp_path).refused]
    assert refused == [
        ("gone.yml", "cannot be read: No such file or directory"), ("pipe.yml", "cannot be read: it is no file"),
    ]  # fmt: skip
