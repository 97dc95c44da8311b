"""A model from the command line to findings: trained, put in shadow, watched, promoted, asked, trained anew."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from phalanx.cli.intel._models import models
from phalanx.intel.models import MIN_SHADOW_EVENTS, read_document
from phalanx.trust import Role

pytest.importorskip("lightgbm", reason="models are trained with the extra `learning`")

NDJSON = {"Content-Type": "application/x-ndjson"}
BINARY = {"Content-Type": "application/octet-stream"}


def connections(n, seed, *, label=False):
    """Lines of Zeek's conn log; attacks call one port and send little."""
    draw = np.random.default_rng(seed)
    lines = []
    for number in range(n):
        bad = bool(draw.random() < 0.2)
        event = {
            "ts": 1_772_445_600.0 + number, "uid": f"C{seed}{number}", "id.orig_h": f"10.0.0.{draw.integers(1, 9)}",
            "id.orig_p": 50_000, "id.resp_h": "192.0.2.9", "id.resp_p": 4444 if bad else int(draw.choice([80, 443])),
            "proto": "tcp", "orig_bytes": int(draw.exponential(200 if bad else 9_000)), "_path": "conn",
        }  # fmt: skip
        lines.append(json.dumps(event | ({"verdict": "bad" if bad else "good"} if label else {})))
    return "\n".join(lines) + "\n"


def run(*args):
    ran = CliRunner().invoke(models, [str(arg) for arg in args], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output)


@pytest.mark.requirement("INT-6")
def test_a_model_is_trained_put_in_shadow_promoted_and_finds(on_node, tmp_path):
    file, out = tmp_path / "conn.log", tmp_path / "model"
    file.write_text(connections(1_500, 1, label=True))
    told = run(
        "train", "odd-conn", file, "--out", out, "--log-source", "zeek/firewall/conn", "--label", "verdict", "--attack",
        "bad", "--trees", 20, "--exclude", "uid", "--exclude", "ts", "--json",
    )  # fmt: skip
    assert (told["rows"], told["data"], told["test_rows"]) == (1_500, "conn.log", 225)
    assert told["metrics"]["recall_at_threshold"]["value"] > 0.5
    assert told["digest"] == read_document(out.read_bytes())[0].digest
    assert "verdict" not in {field.name for field in read_document(out.read_bytes())[0].coding.fields}

    async def work(api):
        viewer = await api.token(Role.VIEWER)
        body = out.read_bytes()
        assert (await api.http.post("/v1/models", content=body, headers=BINARY | viewer)).status_code == 403
        assert (await api.http.post("/v1/models", content=b"junk", headers=BINARY)).status_code == 422
        put = (await api.http.post("/v1/models", content=body, headers=BINARY)).raise_for_status().json()
        assert put["state"] == "shadow"
        reason = {"reason": "it finds what we missed"}
        assert (await api.http.post("/v1/models/odd-conn/promote", json=reason)).status_code == 422, "too soon"
        lines = connections(MIN_SHADOW_EVENTS + 50, 2)
        (await api.http.post("/v1/events", content=lines, headers=NDJSON)).raise_for_status()
        await api.node.settled()
        own = [one for one in (await api.http.get("/v1/findings")).json()["items"] if one["rule"] == "model-odd-conn"]
        assert own == [], "in shadow it says nothing"
        shown = (await api.http.get("/v1/models/odd-conn", headers=viewer)).raise_for_status().json()
        assert shown["status"]["events"] == MIN_SHADOW_EVENTS + 50
        assert shown["status"]["passed"] > 10
        assert shown["provenance"]["data"] == "conn.log"
        done = (await api.http.post("/v1/models/odd-conn/promote", json=reason)).raise_for_status().json()
        assert (done["state"], done["reason"]) == ("promoted", reason["reason"])
        (await api.http.post("/v1/events", content=connections(200, 3), headers=NDJSON)).raise_for_status()
        await api.node.settled()
        own = [one for one in (await api.http.get("/v1/findings")).json()["items"] if one["rule"] == "model-odd-conn"]
        assert own
        assert f"odd-conn@{told['digest'][:12]}" in own[0]["explanation"]
        scored = await api.http.post("/v1/models/odd-conn/score", content=connections(5, 4), headers=BINARY)
        assert len(scored.raise_for_status().json()["items"]) == 5
        say = {"verdict": "false", "reason": "a backup"}
        (await api.http.post(f"/v1/findings/{own[0]['id']}/opinions", json=say)).raise_for_status()
        examples = (await api.http.get("/v1/models/examples")).raise_for_status().json()["items"]
        assert {one["attack"] for one in examples} == {False}
        assert any(not one["presumed"] for one in examples)
        assert any(one["presumed"] for one in examples)
        (await api.http.post("/v1/models/odd-conn/retire", json={"reason": "too loud"})).raise_for_status()
        actions = [entry.entry.action for entry in await api.node.ledger.entries(-1, 500)]
        assert {"model.put", "model.promoted", "model.retired"} <= set(actions)

    on_node(work)


@pytest.mark.requirement("INT-6")
def test_examples_of_a_node_are_trained_on(tmp_path):
    file, out = tmp_path / "examples", tmp_path / "model"
    lines = connections(600, 5, label=True).splitlines()
    made = [
        {
            "attack": '"bad"' in line, "presumed": False, "reader": "auto", "at_ns": 0,
            "line": line.replace('"verdict"', '"x"'),
        }
        for line in lines
    ]  # fmt: skip
    file.write_text("".join(json.dumps(one) + "\n" for one in made))
    told = run(
        "train", "again", file, "--out", out, "--format", "examples", "--log-source", "zeek/firewall/conn", "--exclude",
        "x", "--exclude", "uid", "--exclude", "ts", "--trees", 5, "--json",
    )  # fmt: skip
    assert told["rows"] == 600
    assert told["attacks"] == sum(one["attack"] for one in made)
