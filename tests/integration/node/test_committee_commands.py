"""A secret without a dealer from the shell: made, refreshed, handed over, with a liar and a silent member."""

import contextlib
import json
import stat
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from phalanx.cli._exits import Exit, exit_for
from phalanx.cli._main import root
from phalanx.core import PhalanxError
from phalanx.crypto.sharing import CommitteePlan, CommitteeSeat, Keyholder, Message, read_committee
from phalanx.crypto.sharing._plan import Round, signed

pytestmark = pytest.mark.requirement("CRY-2")

NAMES = ("ada", "bob", "cho", "dee")


@pytest.fixture(scope="module")
def people():
    return {name: Keyholder.generate(name) for name in NAMES}


@pytest.fixture
def place(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, holder in people.items():
        (tmp_path / f"{name}.key").touch(0o600)
        (tmp_path / f"{name}.key").write_bytes(holder.to_bytes())
        (tmp_path / f"{name}.card").write_bytes(msgspec.json.encode(holder.card))
    return tmp_path


def invoke(*args):
    return CliRunner().invoke(root, ["keys", "committee", *map(str, args)])


def run(*args):
    done = invoke(*args, "--json")
    assert done.exception is None, (args, done.exception, done.output)
    return json.loads(done.stdout)


def fails(*args):
    done = invoke(*args)
    assert isinstance(done.exception, PhalanxError), (done.exception, done.output)
    return exit_for(done.exception), done.exception.message


def plan(members, threshold, out, former=None):
    cards = [part for name in members for part in ("--member", f"{name}.card")]
    return run("plan", *cards, "--threshold", threshold, "--out", out, *(("--from", former) if former else ()))


def join(name, run_name, share=None):
    return run(
        "join", f"{run_name}.plan", "--key", f"{name}.key", "--seat", f"{name}.{run_name}.seat", "--board", run_name,
        *(("--share", share) if share else ()),
    )  # fmt: skip


def step(name, run_name, *more, receives=True):
    files = ("--share", f"{name}.{run_name}.share") if receives else ()
    public = f"{name}.{run_name}.public"
    return run(
        "step", f"{name}.{run_name}.seat", "--key", f"{name}.key", "--board", run_name,
        "--public", public, *files, *more,
    )  # fmt: skip


def finish(members, run_name, *, receivers=None):
    """Everybody steps until all are through; what each was told last."""
    told = {}
    for _ in range(8):
        for name in members:
            if told.get(name, {}).get("round") != "done":
                told[name] = step(name, run_name, receives=name in (receivers or members))
    assert {one["round"] for one in told.values()} == {"done"}, told
    return told


def recovered(run_name, *names, out):
    told = run(
        "recover", f"{names[0]}.{run_name}.public", *(f"{name}.{run_name}.share" for name in names), "--out", out
    )
    return told, Path(out).read_bytes()


def test_a_secret_is_made_refreshed_and_handed_over_and_stays_the_same(place):
    plan(NAMES[:3], 2, "first.plan")
    for name in NAMES[:3]:
        assert join(name, "first")["round"] == "commit"
    assert stat.S_IMODE((place / "ada.first.seat").stat().st_mode) == 0o600
    told = finish(NAMES[:3], "first")
    assert (told["bob"]["share"], told["bob"]["left_out"]) == (2, {})
    _, key = recovered("first", "ada", "cho", out="key1")
    assert len(key) == 32
    assert stat.S_IMODE((place / "key1").stat().st_mode) == 0o600
    seat = read_committee((place / "ada.first.seat").read_bytes(), CommitteeSeat)
    assert (seat.body, seat.shares) == (b"", {}), "what was dealt is dropped once it is over"

    plan(NAMES[:3], 2, "second.plan", former="ada.first.public")
    assert "needs its share" in fails(
        "join", "second.plan", "--key", "ada.key", "--seat", "x", "--board", "second"
    )[1]  # fmt: skip
    for name in NAMES[:3]:
        join(name, "second", f"{name}.first.share")
    finish(NAMES[:3], "second")
    assert recovered("second", "bob", "cho", out="key2")[1] == key
    mixed = ("recover", "bob.second.public", "ada.first.share", "bob.second.share", "--out", "mixed")
    assert "2 shares are needed, 1 can be used" in fails(*mixed)[1]
    assert not (place / "mixed").exists()

    plan(("cho", "dee", "bob"), 2, "third.plan", former="bob.second.public")
    for name in NAMES:
        join(name, "third", f"{name}.second.share" if name != "dee" else None)
    told = finish(NAMES, "third", receivers=("cho", "dee", "bob"))
    assert told["ada"]["share"] is None, "who hands over and is no member gets nothing"
    assert recovered("third", "dee", "bob", out="key3")[1] == key


def test_who_deals_something_else_than_promised_and_falls_silent_is_named_and_left_out(place, people):
    plan(NAMES[:3], 2, "run.plan")
    for name in NAMES[:3]:
        join(name, "run")
    # Cho answers the promises with something else than its own, and is not seen again.
    rules = read_committee((place / "run.plan").read_bytes(), CommitteePlan).plan()
    other = signed(rules, rules.digest(), Round.DEAL, 3, b"something else", people["cho"].signer)
    (promise,) = [file for file in (place / "run").iterdir() if file.name.endswith("-1-003.message")]
    promise.with_name(promise.name.replace("-1-", "-2-")).write_bytes(other.to_bytes())
    told = {}
    for _ in range(8):
        for name in ("ada", "bob"):
            if told.get(name, {}).get("round") == "done":
                continue
            told[name] = step(name, "run")
            if told[name]["waiting_for"] == ["cho"]:
                told[name] = step(name, "run", "--close")
    for name in ("ada", "bob"):
        assert told[name]["round"] == "done", told
        assert told[name]["left_out"] == {"cho": "it dealt something else than it had committed to"}
    assert len(recovered("run", "ada", "bob", out="key")[1]) == 32


def test_forgeries_strangers_and_damage_are_refused_by_name(place, people):
    plan(NAMES[:3], 2, "run.plan")
    assert (
        fails("plan", "--member", "ada.card", "--member", "ada.card", "--threshold", 1, "--out", "x")[0] == Exit.USAGE
    )
    code, message = fails("join", "run.plan", "--key", "dee.key", "--seat", "x", "--board", "run")
    assert (code, message.endswith("dee is no member of this run")) == (Exit.USAGE, True)
    for name in NAMES[:3]:
        join(name, "run")
    (mine,) = [file for file in (place / "run").iterdir() if file.name.endswith("-1-002.message")]
    message = Message.from_bytes(mine.read_bytes())
    forged = msgspec.structs.replace(message, sender=1)
    (place / "run" / mine.name.replace("-002", "-009")).write_bytes(forged.to_bytes())
    (place / "run" / mine.name.replace("-002", "-008")).write_bytes(b"junk")
    told = step("cho", "run")
    assert told["round"] == "deal"
    assert any("in the name of ada" in reason for reason in told["refused"])
    (place / "ada.run.seat").chmod(0o644)
    assert "others may read" in fails("step", "ada.run.seat", "--key", "ada.key", "--board", "run")[1]


def test_too_few_dealings_end_the_run_and_name_who_was_silent(place):
    plan(NAMES[:3], 2, "run.plan")
    join("ada", "run")
    done = None
    with contextlib.suppress(StopIteration):
        for _ in range(6):
            done = invoke("step", "ada.run.seat", "--key", "ada.key", "--board", "run", "--close", "--share", "s")
            if done.exception:
                break
    assert done.exception.code == "generation-failed"
    assert "at fault: bob, cho" in done.stderr
