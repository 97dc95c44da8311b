"""`phalanx keys committee`: a secret that no single person ever holds, generated, refreshed and handed over by
files.

The members share a folder, the board: on a shared drive, or carried by mail. Each keeps a key file, and a seat file
while a run is under way; both are secret. No node takes part.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._files import (
    list_files,
    make_folder,
    read_file,
    read_secret,
    replace_secret,
    require_new,
    write_new,
    write_secret,
)
from phalanx.cli._output import Group, json_option, print_json, printable
from phalanx.core import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from phalanx.crypto.sharing import CommitteePlan, Keyholder, Message, Step

_FILE = click.Path(path_type=Path, dir_okay=False)
_BOARD = click.option(
    "--board", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder that the members share."
)
_KEY = click.option("--key", "key_file", type=_FILE, required=True, help="Your key file, from `keys escrow enrol`.")
# Five rounds of the largest committee, and as much again of what does not belong there.
_MAX_MESSAGES = 2 * 5 * 255


@click.group(cls=Group, short_help="Generate, refresh and hand over a secret that no single person ever holds.")
def committee() -> None:
    """Generate, refresh and hand over a secret that no single person ever holds.

    plan the run, have every member join, and step until it is done: a dealing that is promised before any is seen,
    complaints, answers, and a confirmation that all saw the same. Whoever misbehaves is named and left out. With
    --from, the holders of a secret pass it on: to themselves (a refresh, after which old shares are worthless) or
    to others.
    """


@committee.command("plan")
@click.option("--member", "cards", type=_FILE, multiple=True, required=True, help="A member's card; repeatable.")
@click.option("--threshold", type=click.IntRange(1), required=True, help="How many shares recover the secret.")
@click.option("--from", "former", type=_FILE, help="The public part of a secret that is passed on to the members.")
@click.option("--out", type=_FILE, required=True, help="New file for the plan. Send it to everybody in it.")
@json_option
def plan(cards: Sequence[Path], threshold: int, former: Path | None, out: Path, as_json: bool) -> None:
    """Say who generates a secret together, or to whom one is passed on. Compare the digest, by voice, before you
    join.
    """
    import msgspec

    from phalanx.adapters import OsEntropy
    from phalanx.crypto.sharing import CommitteeKey, plan_committee, read_card, read_committee

    previous = None if former is None else read_committee(read_file(former), CommitteeKey)
    members = [read_card(read_file(card)) for card in cards]
    made = plan_committee(members, threshold, run=OsEntropy().token(16).hex(), previous=previous)
    write_new(out, msgspec.json.encode(made))
    names = [card.name for card in members]
    if as_json:
        print_json({"run": made.run, "digest": made.digest(), "threshold": threshold, "members": names})
        return
    click.echo(f"run {made.run[:8]}: any {threshold} of {printable(', '.join(names))}")
    click.echo(f"digest {made.digest()}")


@committee.command("join")
@click.argument("plan_file", type=_FILE)
@_KEY
@click.option("--seat", "seat_file", type=_FILE, required=True, help="New file for your place in the run (0600).")
@click.option("--share", "share_file", type=_FILE, help="Your share of the secret that is passed on.")
@_BOARD
@json_option
def join(plan_file: Path, key_file: Path, seat_file: Path, share_file: Path | None, board: Path, as_json: bool) -> None:
    """Take part in the run of PLAN_FILE: promise a dealing on the board."""
    import msgspec

    from phalanx.adapters import OsEntropy
    from phalanx.crypto.sharing import CommitteePlan, CommitteeShare, read_committee, take_seat

    found = read_committee(read_file(plan_file), CommitteePlan)
    share = read_committee(read_secret(share_file), CommitteeShare) if share_file else None
    taken = take_seat(found, _keyholder(key_file), entropy=OsEntropy(), share=share)
    # The seat first: what it has promised it must be able to keep.
    write_secret(seat_file, msgspec.json.encode(taken.seat))
    _publish(board, found, taken.publish)
    _tell(taken, as_json=as_json)


@committee.command("step")
@click.argument("seat_file", type=_FILE)
@_KEY
@_BOARD
@click.option("--close", is_flag=True, help="Close the round although somebody is silent; then everybody has to.")
@click.option("--share", "share_file", type=_FILE, help="New file for your share, when the run ends (0600).")
@click.option("--public", "public_file", type=_FILE, help="New file for the public part, when the run ends.")
@json_option
def step(
    seat_file: Path, key_file: Path, board: Path, close: bool, share_file: Path | None,
    public_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Read the board and go as far as the others' messages allow. Run it again whenever something new is there."""
    import msgspec

    from phalanx.adapters import OsEntropy
    from phalanx.crypto import sharing

    for file in (share_file, public_file):
        if file is not None:
            require_new(file)
    seat, holder = sharing.read_committee(read_secret(seat_file), sharing.CommitteeSeat), _keyholder(key_file)
    try:
        taken = sharing.step(seat, holder, _board(board, seat.plan), entropy=OsEntropy(), close=close)
    except sharing.GenerationFailed as failed:
        names = [seat.plan.name_of(index, dealer=failed.reason.startswith("too few")) for index in failed.blamed]
        if names:
            click.secho(f"at fault: {printable(', '.join(names))}", fg="red", err=True)
        raise
    if taken.key is not None and (share_file is None) == (taken.share is not None):
        raise InvalidInput("--share", "the run ends with this step: name a new file for the share that you get")
    if taken.share is not None and share_file is not None:
        write_secret(share_file, msgspec.json.encode(taken.share))
    if taken.key is not None and public_file is not None:
        write_new(public_file, msgspec.json.encode(taken.key))
    replace_secret(seat_file, msgspec.json.encode(taken.seat))
    _publish(board, seat.plan, taken.publish)
    _tell(taken, as_json=as_json)


@committee.command("recover")
@click.argument("public_file", type=_FILE)
@click.argument("share_files", type=_FILE, nargs=-1, required=True)
@click.option("--out", type=_FILE, required=True, help="New file for the 32-byte key that the secret yields (0600).")
@json_option
def recover(public_file: Path, share_files: Sequence[Path], out: Path, as_json: bool) -> None:
    """Combine SHARE_FILES, where that is allowed: whoever does this holds the secret. A wrong share is named."""
    from phalanx.crypto.sharing import CommitteeKey, CommitteeShare, read_committee

    public = read_committee(read_file(public_file), CommitteeKey)
    require_new(out)
    shares = [read_committee(read_secret(file), CommitteeShare).share() for file in share_files]
    key, refuted = public.joint().recover(shares)
    names = [public.holders[index].name if index in public.holders else str(index) for index in refuted]
    write_secret(out, key)
    if as_json:
        print_json({"run": public.run, "epoch": public.epoch, "wrong": names, "file": str(out)})
        return
    click.echo(f"{out}: the key of epoch {public.epoch}")
    if names:
        click.secho(f"not the share it should be: {printable(', '.join(names))}", fg="red")


def _keyholder(path: Path) -> "Keyholder":
    from phalanx.crypto.sharing import Keyholder

    return Keyholder.from_bytes(read_secret(path))


def _board(folder: Path, plan: "CommitteePlan") -> "list[Message]":
    """Every message of the run on the board; anything else is skipped with a note."""
    from phalanx.core import WireError
    from phalanx.crypto.sharing import Message

    files = list_files(folder, f"{plan.run}-*.message")
    if len(files) > _MAX_MESSAGES:
        raise LimitExceeded("messages on the board", maximum=_MAX_MESSAGES, seen=len(files))
    found: list[Message] = []
    for file in files:
        try:
            found.append(Message.from_bytes(read_file(file)))
        except WireError as error:
            click.secho(f"{file.name} is passed over: {printable(error.message)}", fg="yellow", err=True)
    return found


def _publish(folder: Path, plan: "CommitteePlan", messages: "Sequence[Message]") -> None:
    make_folder(folder)
    for one in messages:
        file = folder / f"{plan.run}-{one.round}-{one.sender:03d}.message"
        if not file.exists():
            write_new(file, one.to_bytes())


def _tell(taken: "Step", *, as_json: bool) -> None:
    told: dict[str, Any] = {
        "run": taken.seat.plan.run, "round": taken.round.name.lower(), "waiting_for": list(taken.waiting),
        "refused": list(taken.refused), "left_out": dict(taken.disqualified),
        "share": None if taken.share is None else taken.share.index,
    }  # fmt: skip
    if as_json:
        print_json(told)
        return
    for reason in taken.refused:
        click.secho(f"not taken in: {printable(reason)}", fg="yellow", err=True)
    if taken.key is None:
        click.echo(f"round {told['round']}: waiting for {printable(', '.join(taken.waiting)) or 'nobody; step again'}")
        return
    click.secho(f"done: epoch {taken.key.epoch}, any {taken.key.threshold} of {len(taken.key.holders)}", fg="green")
    for name, reason in taken.disqualified:
        click.secho(f"{printable(name)} was left out: {printable(reason)}", fg="red")
