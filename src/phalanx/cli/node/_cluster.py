"""`phalanx cluster`: the node among others, and inviting another."""

from pathlib import Path

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import require_new, write_secret
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of

_ROOT = "/v1/cluster"


@click.group(cls=Group, short_help="The node among others: who is there, and inviting another node.")
def cluster() -> None:
    """The node among others: who is there, and inviting another node.

    `phalanx up --cluster` runs the server that nodes meet on; `phalanx up --join FILE` joins it with a token.
    What nodes say to each other is sealed between them: the server sees who talks, not what.
    """


@cluster.command("status")
@client_options
@json_option
def status(client: NodeClient, as_json: bool) -> None:
    """This node's paths to the others, the nodes it talks to, and present nodes that it does not know."""
    found = client.get(_ROOT)
    if as_json:
        print_json(found)
        return
    if not found["paths"]:
        click.echo(f"{printable(found['process'])} is alone; start it with --cluster, or with --join and a token")
        return
    role = "runs the server at" if found["serves"] else "is on the server at"
    click.echo(f"{printable(found['process'])} {role} {printable(', '.join(found['urls']))}")
    for path in found["paths"]:
        click.secho(f"  {path['name']:<9}{printable(path['state'])}", fg="green" if path["connected"] else "red")
    columns: list[Column] = [
        ("node", lambda row: row["process"]),
        ("channel", lambda row: "sealed" if row["channel"] else "none now"),
        ("agents", lambda row: str(row["agents"])),
        ("heard", lambda row: f"{row['silent_s']:.1f} s ago" if row["silent_s"] >= 0 else "never"),
        ("round trip", lambda row: f"{row['round_trip_ms']:.1f} ms"),
        ("on the way", lambda row: str(row["on_the_way"] + row["waiting"])),
        ("sent again", lambda row: str(row["retries"])),
    ]
    print_table("Nodes", found["peers"], columns, empty="nobody else is here yet")
    if (assembly := found.get("assembly")) is not None:
        share = f"{len(assembly['present'])} of {len(assembly['roster'])} nodes are present"
        fixed = f"epoch {assembly['epoch']}, fixed by {printable(assembly['fixed_by'])}"
        click.echo(f"assembly: {share}, {fixed if assembly['epoch'] else 'no epoch in common yet (it takes three)'}")
    if found["strangers"]:
        click.echo(f"of no organisation trusted here: {printable(', '.join(found['strangers']))}")
    if found["invitations"]:
        print_table(
            "Invitations",
            found["invitations"],
            [
                ("name", lambda row: row["name"]),
                ("joined", lambda row: row["joined"] or "nobody yet"),
                ("good until", time_of("expires_ns")),
            ],
            empty="",
        )


@cluster.command("join-token")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="New file for it (0600).")
@click.option("--days", type=click.FloatRange(0, 30, min_open=True), default=1.0, show_default=True,
              help="For how long it can be used.")  # fmt: skip
@client_options
@json_option
def join_token(name: str, out: Path, days: float, client: NodeClient, as_json: bool) -> None:
    """A token with which one other node may join, under an invitation called NAME.

    Carry the file to the other machine as you would a password, and start the node there with `phalanx up --join
    FILE`. It holds a key for the server and your organisation's root; whoever uses it is trusted as the
    organisation that it proves to be. Run this against the node that was started with `--cluster`.
    """
    require_new(out)
    made = client.post(f"{_ROOT}/invitations", name=name, days=days)
    write_secret(out, made["token"].encode())
    if as_json:
        print_json({"name": made["name"], "file": str(out)})
    else:
        click.echo(f"{out}: whoever has it can join, once. On the other machine: phalanx up --join {out.name}")


@cluster.command("remove")
@click.argument("name")
@client_options
@json_option
def remove(name: str, client: NodeClient, as_json: bool) -> None:
    """Withdraw the invitation NAME: whoever used it is cut off and no longer trusted."""
    done = client.post(f"{_ROOT}/invitations/remove", name=name)
    print_json(done) if as_json else click.echo(f"{printable(done['name'])} is out")
