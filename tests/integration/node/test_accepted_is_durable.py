"""SIGKILL right after the reply: what was acknowledged over HTTP is there."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

KILLS = 4
READ_S = 300


class Up:
    """A `phalanx up` process on one data folder."""

    def __init__(self, data_dir, token=""):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phalanx", "up", "--port", "0", "--data-dir", str(data_dir)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said, url = "", ""
        while not url or not token:
            line = self.process.stderr.readline()
            assert line, said
            said += line
            if found := re.match(r"API +(\S+)/v1", line):
                url = found[1]
            if "PHALANX_TOKEN=" in line:
                token = line.partition("=")[2].strip()
        self.token = token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=READ_S)

    def read(self, event):
        """The fields of an event, once the node has read it: right after a start it may still be at it."""
        asked_until = time.monotonic() + READ_S
        while (answer := self.http.get(f"/v1/events/{event}")).status_code == 404 and time.monotonic() < asked_until:
            time.sleep(0.05)
        return answer.raise_for_status().json()["fields"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """However a test ends, the node ends as if the machine had lost it."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self.http.close()


@pytest.mark.slow
@pytest.mark.requirement("INT-5")
def test_what_the_api_accepted_survives_sigkill_right_after_the_reply(tmp_path):
    token, accepted = "", {}
    for life in range(KILLS):
        with Up(tmp_path, token) as node:
            token = node.token
            for number in range(3):
                event = {"EventID": 1, "Channel": "Security", "Hostname": f"ws-{life}-{number}"}
                answer = node.http.post("/v1/events", content=json.dumps(event).encode())
                assert answer.status_code == 202, answer.text
                accepted[answer.json()["first_event"]] = event["Hostname"]

    with Up(tmp_path, token) as node:
        assert {event: node.read(event)["Hostname"] for event in accepted} == accepted
    assert len(accepted) == 3 * KILLS
