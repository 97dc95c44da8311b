"""`phalanx intel attack`: MITRE ATT&CK, from the index that comes with the package."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable

if TYPE_CHECKING:
    from phalanx.intel.sharing import Coverage


@click.group(cls=Group, short_help="MITRE ATT&CK: techniques, and which of them rules cover.")
def attack() -> None:
    """MITRE ATT&CK: techniques, and which of them rules cover. Needs no node and no network."""


@attack.command()
@click.argument("technique_id", metavar="ID")
@json_option
def show(technique_id: str, as_json: bool) -> None:
    """One technique: its name, its tactics, the data that shows it, and the built-in rules that look for it."""
    import msgspec

    from phalanx.intel.sharing import attack as book

    known = book()
    one = known.technique(technique_id)
    rules = next((each.rules for each in _coverage(None).techniques if each.technique.id == one.id), ())
    below = known.below(one.id)
    if as_json:
        print_json(msgspec.to_builtins(one) | {"url": one.url, "rules": list(rules), "below": [x.id for x in below]})
        return
    click.echo(f"{one.id}  {known.name(one.id)}")
    click.echo(printable(one.summary))
    for label, values in (
        ("tactics", one.tactics), ("platforms", one.platforms), ("shown by", one.shown_by),
        ("sub-techniques", [f"{each.id} {each.name}" for each in below]), ("rules", rules or ("none",)),
    ):  # fmt: skip
        if values:
            click.echo(f"{label + ':':<16}{', '.join(values)}")
    click.echo(f"{one.url}\n{known.index.copyright}")


@attack.command()
@click.option(
    "--rules-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Your own rules in addition to the built-in ones.",
)
@click.option("--tactic", default="", help="Only this tactic, such as `execution`.")
@click.option("--all", "show_all", is_flag=True, help="Also techniques that no rule looks for.")
@json_option
def coverage(rules_dir: Path | None, tactic: str, show_all: bool, as_json: bool) -> None:
    """Which techniques rules look for, by tactic."""
    from phalanx.core import InvalidInput
    from phalanx.intel.sharing import attack as book

    known, found = book(), _coverage(rules_dir)
    tactics = {one.name: one.title for one in known.index.tactics}
    if tactic and tactic not in tactics:
        raise InvalidInput("--tactic", f"{tactic!r} is none of {', '.join(tactics)}")
    chosen = [
        {"id": one.technique.id, "name": known.name(one.technique.id), "tactics": list(one.technique.tactics),
         "rules": list(one.rules)}
        for one in (found.of_tactic(tactic) if tactic else found.techniques) if one.rules or show_all
    ]  # fmt: skip
    if as_json:
        print_json({"source": known.index.source, "covered": found.n_covered, "of": len(found.techniques),
                    "unknown": list(found.unknown), "techniques": chosen})  # fmt: skip
        return
    if not tactic:
        rows = []
        for name, title in tactics.items():
            own = found.of_tactic(name)
            rows.append({"title": title, "name": name, "n": sum(bool(one.rules) for one in own), "of": len(own)})
        columns: list[Column] = [
            ("tactic", lambda row: row["title"]),
            ("covered", lambda row: f"{row['n']} of {row['of']}"),
            ("see", lambda row: f"--tactic {row['name']}"),
        ]
        print_table("Techniques with a rule", rows, columns, empty="there are no tactics")
        unknown = f"; rules name what ATT&CK does not have: {', '.join(found.unknown)}" if found.unknown else ""
        click.echo(f"{found.n_covered} of {len(found.techniques)} techniques have a rule{unknown}")
        return
    print_table(
        tactics[tactic], chosen,
        [("id", lambda row: row["id"]), ("technique", lambda row: row["name"]),
         ("rules", lambda row: ", ".join(row["rules"]) or "–")],
        empty="no rule looks for a technique of this tactic",
    )  # fmt: skip


def _coverage(rules_dir: Path | None) -> "Coverage":
    from phalanx.intel import load_rules
    from phalanx.intel.sharing import attack as book

    return book().coverage((rule.title, rule.techniques) for rule in load_rules(rules_dir).rules.values())
