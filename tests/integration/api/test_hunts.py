"""Hunts over the archive through the API, the command and the page: followed, asked back, shown, removed."""

import json

import pytest

from phalanx.intel import RuleSet, _archive_hunts, parse_rule
from phalanx.trust import Role

LINE = b"<38>1 2026-01-01T00:00:00Z web-01 sshd 1 - - Failed password for root from 203.0.113.9 port %d ssh2"
RULE = """
title: Failed logon
id: 6f2a1c1e-0a6d-4f0e-9a55-5d8a9b6b7c11
logsource: {product: linux, service: sshd}
detection: {selection: {user: root, action: failed, src_port|endswith: '7'}, condition: selection}
level: low
"""


async def filled(api):
    """Events before a finding, of which three name who it is about."""
    before = [LINE % port for port in range(4000, 4050)]
    named = [b"<38>1 2026-01-01T00:00:01Z db-0%d app 1 - - backup by svc-backup begins" % n for n in range(3)]
    headers = {"content-type": "text/plain"}
    (await api.http.post("/v1/events", content=b"\n".join(before + named), headers=headers)).raise_for_status()
    await api.intrusion()
    await api.node.archive.archivist.drained()
    await api.node.archive.archivist.flush()
    found = (await api.http.get("/v1/findings")).raise_for_status().json()["items"]
    return next(one["id"] for one in found if "svc-backup" in str(one["entities"]))


@pytest.mark.requirement("AGT-1")
def test_a_finding_is_followed_and_old_events_are_asked_new_rules(on_node):
    async def work(api):
        finding = await filled(api)
        wanted = {"finding": finding, "back_s": 365 * 86_400}
        hunt = (await api.http.post("/v1/hunts/expand", json=wanted)).raise_for_status().json()
        links = {link["name"]: link["events"] for link in hunt["links"]}
        assert {name: n for name, n in links.items() if "svc-backup" in name} == {"user:svc-backup": 4}
        assert len(hunt["hits"]) == 3
        assert (await api.http.get(f"/v1/hunts/{hunt['id']}")).raise_for_status().json() == hunt
        asked = {"rules": [RULE], "back_s": 10_000 * 86_400}
        retro = (await api.http.post("/v1/hunts/retro", json=asked)).raise_for_status().json()
        assert (retro["total"], len(retro["hits"]), retro["complete"]) == (5, 5, True)
        for path, bad in (
            ("expand", {"finding": "nothing"}), ("expand", {"finding": finding, "hops": 0}), ("retro", {}),
            ("retro", {"rules": ["no rule"]}), ("expand", {}),
        ):  # fmt: skip
            assert (await api.http.post(f"/v1/hunts/{path}", json=bad)).status_code in (404, 422), bad
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/hunts/expand", json=wanted, headers=viewer)).status_code == 403
        stranger = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.post("/v1/hunts/expand", json=wanted, headers=stranger)).status_code == 404

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_the_command_hunts_and_removes_what_was_saved(on_node, monkeypatch, tmp_path):
    async def work(api):
        finding = await filled(api)
        told = await api.run(monkeypatch, "intel", "hunts", "expand", finding, "--back", "365")
        assert "user:svc-backup: 4 events" in told
        assert "3 events found" in told
        rule = tmp_path / "rule.yml"
        rule.write_text(RULE)
        old = ("--back", "10000")
        asked = await api.run(monkeypatch, "intel", "hunts", "retro", "--rule", str(rule), *old, "--json")
        assert json.loads(asked)["total"] == 5
        assert "expand" in await api.run(monkeypatch, "intel", "hunts", "done")
        assert "5 events found" in await api.run(monkeypatch, "intel", "hunts", "done", json.loads(asked)["id"])
        await api.run(monkeypatch, "intel", "hunts", "save", "root", "user:root")
        assert "user:root" in await api.run(monkeypatch, "intel", "hunts", "list")
        assert "50 events" in await api.run(monkeypatch, "intel", "hunts", "run", "root")
        assert "removed" in await api.run(monkeypatch, "intel", "hunts", "remove", "root")
        assert "no hunt is saved" in await api.run(monkeypatch, "intel", "hunts", "list")

    on_node(work)


def about_logons(number, technique, level="low"):
    text = RULE.replace("level: low", f"name: rule-{number}\ntags: [attack.{technique}]\nlevel: {level}")
    return parse_rule(text.replace("5d8a9b6b7c11", f"5d8a9b6b7c{number:02d}"), where=f"rule {number}")


@pytest.mark.requirement("AGT-1")
def test_of_more_rules_than_a_hunt_asks_the_nearest_and_most_severe_are_asked(on_node, monkeypatch):
    monkeypatch.setattr(_archive_hunts, "MAX_RETRO_RULES", 4)

    async def work(api):
        await filled(api)
        api.node.sentinel.use(
            RuleSet([
                about_logons(0, "t1556.009", "critical"), about_logons(1, "t1556.001"),
                about_logons(2, "t1556.001", "high"), about_logons(3, "t1556.009"),
                about_logons(4, "t1556.001", "medium"),
            ])
        )  # fmt: skip
        wanted = {"techniques": ["T1556.001"], "rules": [RULE], "back_s": 10_000 * 86_400}
        hunt = (await api.http.post("/v1/hunts/retro", json=wanted)).raise_for_status().json()
        assert hunt["queries"][:3] == ["rule-2", "rule-4", "rule-1"]
        assert len(hunt["queries"]) == 4, "and the one that somebody wrote"
        refused = await api.http.post("/v1/hunts/retro", json=wanted | {"rules": [RULE] * 5})
        assert (refused.status_code, refused.json()["detail"][:9]) == (422, "rules: ar")

    on_node(work)
