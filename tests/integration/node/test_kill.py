"""SIGKILL in the middle of the demo, and what the next start makes of it.

The checker looks from outside, over the API and at the stored ledger; the expectation is a
run of the same seed that nobody killed.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from phalanx.demo import DEFAULT_START_NS

SEED = 7
PORT_LINE = "API "


class Demo:
    """A `phalanx demo` process and a client of its API."""

    def __init__(self, data_dir: Path, token: str = "", *extra: str) -> None:
        # Dated as if it had begun then, so that what happened is told apart from the bait that is taken at every start.
        data_dir.mkdir(mode=0o700, exist_ok=True)
        (data_dir / f"began-{SEED}.txt").write_text(str(DEFAULT_START_NS), encoding="ascii")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phalanx", "demo", "--seed", str(SEED), "--speed", "200",
             "--port", "0", "--data-dir", str(data_dir), *extra],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PHALANX_RESPONSE_MAX_EVIDENCE_AGE_S": "1e12"},
        )  # fmt: skip
        self.url, self.token, self.said = "", token, ""
        while not self.url or not self.token or "demo " not in self.said:
            line = self.process.stderr.readline()
            assert line, f"the demo stopped: {self.said}"
            self.said += line
            if line.startswith(PORT_LINE):
                self.url = line.split()[1].removesuffix("/v1")
            if "PHALANX_TOKEN=" in line:
                self.token = line.partition("=")[2].strip()
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def all(self, path: str) -> dict[str, dict]:
        items, after = {}, ""
        while True:
            page = (
                self.http.get(path, params={"limit": 1000, **({"after": after} if after else {})})
                .raise_for_status()
                .json()
            )
            items |= {item["id"]: item for item in page["items"]}
            after = page.get("next")
            if not after or not page["items"]:
                return items

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.communicate(timeout=120)[1]
        assert self.process.returncode == 0, self.said


def _wait_for(demo: Demo, path: str, at_least: int) -> None:
    # Polling another process; the bound is generous, the condition is what counts.
    for _ in range(2_000):
        if len(demo.all(path)) >= at_least:
            return
        time.sleep(0.01)
    pytest.fail(f"{path} never had {at_least} items")


@pytest.mark.slow
@pytest.mark.requirement("HWF-4")
@pytest.mark.requirement("IRS-4")
def test_a_killed_demo_finishes_with_nothing_lost_and_nothing_done_twice(tmp_path):
    with Demo(tmp_path / "whole") as whole:
        _wait_for_end(whole)
        expected = _story(whole)
        whole.stop()

    token, before = "", {}
    for wanted in (1, 5, 12):
        with Demo(tmp_path / "killed", token) as killed:
            token = killed.token
            _wait_for(killed, "/v1/assessments", wanted)
            for path in ("/v1/assessments", "/v1/decisions", "/v1/ledger"):
                before.setdefault(path, {}).update(killed.all(path))
            killed.kill()

    with Demo(tmp_path / "killed", token) as last:
        _wait_for_end(last)
        assert _story(last) == expected
        for path, records in before.items():
            now = last.all(path)
            assert records, f"the kill came before anything of {path} was recorded"
            for identifier, record in records.items():
                assert now[identifier] == record, f"{path}/{identifier} was done again"
        last.stop()

    checked = _verify(tmp_path / "killed")
    assert checked.returncode == 0, checked.stderr
    assert "verified" in checked.stdout
    assert "not under a checkpoint" not in checked.stdout

    segment = next((tmp_path / "killed" / "journals" / "ledger").glob("*.segment"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    changed = _verify(tmp_path / "killed")
    assert changed.returncode == 6
    assert "the ledger was changed" in changed.stderr


def _verify(data_dir: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phalanx", "ledger", "verify", "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _wait_for_end(demo: Demo) -> None:
    line = ""
    while "findings" not in line:
        line = demo.process.stderr.readline()
        assert line, demo.said
        demo.said += line


# When the intrusion of the demo happened.
_DAY = "@2026-03-02"


def _story(demo: Demo) -> dict[str, list]:
    """What happened, without what depends on when.

    An assessment sees the findings committed so far, so how many early ones are refused depends
    on timing; which hosts are isolated in the end does not.
    """
    missions = demo.all("/v1/missions").values()
    proposals, decisions = demo.all("/v1/proposals"), demo.all("/v1/decisions").values()
    assessments = demo.all("/v1/assessments").values()
    assert len({(m["skill"], m["subject"]) for m in missions}) == len(missions), "a finding was worked on twice"
    triaged = sorted(m["subject"] for m in missions if m["skill"] == "triage")
    assert triaged == sorted(a["finding"] for a in assessments)
    assert {d["about"] for d in decisions} == set(proposals)
    entries = demo.all("/v1/ledger")
    looked = ("sentinel", "hunter", "analyst", "guardian", "deception", "admin", "canary", "specialist")
    told = [entry for entry in entries.values() if entry["case"] and entry["actor"] not in looked]
    assert len(told) == len(assessments) + len(proposals) + len(decisions), sorted(
        {e["action"] for e in entries.values()}
    )
    # The intruder takes the bait at every start, and that is of today; what is rehearsed follows from what is refused.
    findings = [f for f in demo.all("/v1/findings").values() if f["case"].endswith(_DAY)]
    missions = [m for m in missions if m["case"].endswith(_DAY) and m["skill"] != "rehearse"]
    approved = {proposals[d["about"]]["case"] for d in decisions if d["outcome"] == "approved"}
    return {
        "findings": sorted((f["rule"], f["case"], f["hits"]) for f in findings),
        "missions": sorted((m["case"], m["skill"], m["status"]) for m in missions),
        "isolated": sorted(case for case in approved if case.endswith(_DAY)),
    }
