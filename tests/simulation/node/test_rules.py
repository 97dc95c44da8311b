"""Rules of a running node are read anew on demand and when their folder changes; invalid ones change nothing."""

import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.intel import InvalidRule
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

OWN = """
title: Odd word
name: odd-word
level: medium
logsource: {product: linux, service: sshd}
detection: {sel: {user: oddity}, condition: sel}
"""
LINE = b"<38>1 2026-01-01T00:00:00Z web-01 sshd 1 - - Failed password for oddity from 203.0.113.9 port 4 ssh2"


def settings(folder, reload_s=5.0):
    return Settings.model_validate({"intake": {"rules_dir": folder}, "detection": {"reload_s": reload_s}})


@pytest.mark.requirement("INT-2")
def test_rules_are_renewed_on_demand_and_what_changed_is_told_and_recorded(tmp_path):
    async def main(world):
        async with build_node(settings(tmp_path, 0), world.ports("one")) as node:
            (tmp_path / "own.yml").write_text(OWN)
            (tmp_path / "strange.yml").write_text(OWN.replace("odd-word", "strange").replace("user:", "user|expand:"))
            done = await node.rules.reload(by="anna")
            assert done.added == ("odd-word",)
            ((file, reason),) = [(one.file, one.reason) for one in done.refused]
            assert file == "strange.yml"
            assert "expand" in reason
            assert "strange.yml" not in reason, "the file is named beside it"
            await node.intake.accept(LINE, tenant=DEFAULT_TENANT)
            await node.sentinel.drained()
            assert "odd-word" in [one.rule for one in await node.findings.list(DEFAULT_TENANT)]
            (row,) = [one for one in node.rules.view(DEFAULT_TENANT).rules if one.name == "odd-word"]
            assert (row.hits, row.log_source) == (1, "linux/sshd")
            await node.rules.reload(by="anna")
            (row,) = [one for one in node.rules.view(DEFAULT_TENANT).rules if one.name == "odd-word"]
            assert row.hits == 1, "also before a next chunk is read"
            (tmp_path / "own.yml").write_text("title: [")
            with pytest.raises(InvalidRule):
                await node.rules.reload(by="anna")
            assert "odd-word" in [one.name for one in node.rules.view(DEFAULT_TENANT).rules]
            (tmp_path / "own.yml").unlink()
            assert (await node.rules.reload(by="anna")).removed == ("odd-word",)
            actions = [one.entry.action for one in await node.ledger.entries(-1, 100)]
            assert actions.count("rules.reloaded") == 2

    SimWorld(1).run(main)


@pytest.mark.requirement("INT-2")
def test_a_changed_folder_is_noticed_and_an_invalid_rule_keeps_the_old_ones(tmp_path):
    async def main(world):
        async with build_node(settings(tmp_path), world.ports("one")) as node:
            before = len(node.sentinel.rules)
            await world.clock.sleep(1)
            (tmp_path / "own.yml").write_text(OWN)
            await world.clock.sleep(12)
            assert len(node.sentinel.rules) == before + 1
            (tmp_path / "own.yml").write_text("title: [ and more")
            await world.clock.sleep(12)
            assert len(node.sentinel.rules) == before + 1
            assert any("stay in force" in one.text for one in node.alerts.recent())

    SimWorld(1).run(main)


@pytest.mark.requirement("INT-2")
def test_a_node_starts_with_the_rules_that_are_valid_and_names_the_others(tmp_path):
    async def main(world):
        (tmp_path / "own.yml").write_text(OWN)
        (tmp_path / "bad.yml").write_text("title: [")
        async with build_node(settings(tmp_path), world.ports("one")) as node:
            assert "odd-word" in node.sentinel.rules.rules
            told = [one.text for one in node.alerts.recent() if "not valid" in one.text]
            assert len(told) == 1
            assert "1 rule file left out, not valid: bad.yml: file: not YAML" in told[0]
            assert [(one.file, one.unsupported) for one in node.rules.view(DEFAULT_TENANT).refused] == [
                ("bad.yml", False)
            ]
            # What was invalid before keeps no other file from being read.
            (tmp_path / "own.yml").write_text(OWN.replace("odd-word", "odder-word"))
            assert (await node.rules.reload(by="anna")).added == ("odder-word",)
            (tmp_path / "own.yml").write_text("title: {")
            with pytest.raises(InvalidRule, match=r"own\.yml: file"):
                await node.rules.reload(by="anna")
            assert "odder-word" in node.sentinel.rules.rules
            (tmp_path / "bad.yml").unlink()
            (tmp_path / "own.yml").write_text(OWN)
            assert (await node.rules.reload(by="anna")).refused == ()

    SimWorld(1).run(main)


@pytest.mark.requirement("INT-2")
def test_an_invalid_file_under_another_name_is_the_one_that_was_left_out(tmp_path):
    async def main(world):
        (tmp_path / "bad.yml").write_text("title: [")
        (tmp_path / "first.yml").write_text(OWN)
        (tmp_path / "second.yml").write_text(OWN)
        async with build_node(settings(tmp_path), world.ports("one")) as node:
            await world.clock.sleep(1)
            (tmp_path / "bad.yml").rename(tmp_path / "renamed.yml")
            (tmp_path / "first.yml").rename(tmp_path / "third.yml")
            (tmp_path / "own.yml").write_text(OWN.replace("odd-word", "odder-word"))
            await world.clock.sleep(12)
            assert "odder-word" in node.sentinel.rules.rules
            left = [one.file for one in node.rules.view(DEFAULT_TENANT).refused]
            assert left == ["renamed.yml", "third.yml"]
            assert not any("stay in force" in one.text for one in node.alerts.recent())
            # Other bytes are another file, whatever is wrong with them.
            (tmp_path / "again.yml").write_text("title: [ and more")
            with pytest.raises(InvalidRule, match=r"again\.yml"):
                await node.rules.reload(by="anna")

    SimWorld(1).run(main)
