"""`phalanx intel rules`: which rules there are, which files do not compile, and why a rule matches or does not."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable
from phalanx.cli.intel._log_file import read_log
from phalanx.core import EventBatch, counted

if TYPE_CHECKING:
    from phalanx.intel import Rule, RuleSet
    from phalanx.intel.sigma import Nearest

_SHOWN_EVENTS = 3


@click.group(cls=Group, short_help="Detection rules in Sigma: list, check, test, costs, reload.")
def rules() -> None:
    """Detection rules in Sigma. `list`, `check` and `test` need no node; `stats` and `reload` ask a running one."""


@rules.command(name="list")
@click.option(
    "--rules-dir", type=click.Path(path_type=Path, file_okay=False), help="Rules in addition to the built-in ones."
)
@json_option
def list_rules(rules_dir: Path | None, as_json: bool) -> None:
    """The built-in rules, and those of a folder."""
    from phalanx.intel import load_rules

    loaded = load_rules(rules_dir)
    rows: list[dict[str, Any]] = [
        {"name": one.name, "title": one.title, "severity": one.severity.name.lower(),
         "techniques": list(one.techniques), "log_source": str(getattr(one, "log_source", "correlation"))}
        for one in (*loaded.rules.values(), *loaded.correlations.values())
    ]  # fmt: skip
    if as_json:
        print_json({"rules": rows, "refused": [one._asdict() for one in loaded.refused]})
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]), ("severity", lambda row: row["severity"]),
        ("log source", lambda row: row["log_source"]), ("ATT&CK", lambda row: ", ".join(row["techniques"]) or "–"),
        ("title", lambda row: row["title"]),
    ]  # fmt: skip
    print_table(counted(len(rows), "rule"), rows, columns, empty="there are no rules")
    _tell_left_out([one._asdict() for one in loaded.refused])


@rules.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Compile every rule file in FOLDER and say which do not compile, and why. Exits with 1 if one does not."""
    from phalanx.intel import CorrelationRule, Filter, InvalidRule, Refused, Rule, RuleSet, read_folder

    parts, refused = read_folder(folder)
    kinds = {kind: [part for part in parts if isinstance(part, kind)] for kind in (Rule, CorrelationRule, Filter)}
    try:
        whole: RuleSet | None = RuleSet(kinds[Rule], correlations=kinds[CorrelationRule], filters=kinds[Filter])  # type: ignore[arg-type]  # fmt: skip
    except InvalidRule as error:
        whole = None
        refused.append(Refused("all together", error.message, unsupported=False))
    always = 0 if whole is None else sum(len(stand.always) for stand in whole.stands.values())
    if as_json:
        print_json({
            "compiled": len(parts), "refused": [one._asdict() for one in refused], "rules": len(kinds[Rule]),
            "correlations": len(kinds[CorrelationRule]), "filters": len(kinds[Filter]),
            "asked_about_every_event": always,
        })  # fmt: skip
    else:
        told = ", ".join(
            counted(len(found), name)
            for name, found in zip(("rule", "correlation", "filter"), kinds.values(), strict=True)
        )
        click.echo(f"compiled: {told}; {always} of them are asked about every event of their log source")
        for one in refused:
            why = "not supported" if one.unsupported else "invalid"
            click.echo(printable(f"{why}: {one.file}: {one.reason}"))
    if refused:
        raise SystemExit(1)


@rules.command()
@click.argument("rule_file", metavar="RULE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("log_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--format", "reader", default="auto", show_default=True, help="Format of FILE.")
@click.option("--line", type=click.IntRange(min=1), help="Explain this line of FILE, whether it matches or not.")
@json_option
def test(rule_file: Path, log_file: Path, reader: str, line: int | None, as_json: bool) -> None:
    """Run the rule in RULE on the events in FILE, and explain why it matches or does not, field by field.

    FILE may be anything `phalanx intel read` takes: a compressed file, a Windows event log (EVTX), a document of
    records. Events that match are explained; if none does, those of the rule's log source that come closest. If the
    rule is part of a correlation, its match alone is not a hit: for each correlation, the output says how close it
    came. Rules that a correlation refers to must be in the same file or built in. Exits with 1 if there is no hit.
    """
    from phalanx.intel.sigma import Nearest

    nearest = Nearest()
    whole = _rules_of(rule_file, nearest)
    out = read_log(log_file, reader)
    hits = [
        {"rule": hit.rule.name, "line": batch.rows[hit.place] + 1, "told": hit.told}
        for batch in out.batches for hit in whole.evaluate(batch)
    ]  # fmt: skip
    shown = [
        (batch.rows[place] + 1, explained)
        for rule in whole.rules.values()
        for batch, place, explained in _to_explain(rule, whole, out.batches, line)
    ]
    told = [
        {"name": one.name, "completed": nearest.completions.get(one.name, 0), "told": nearest.told(one)}
        for one in whole.correlations.values()
    ]
    if as_json:
        print_json({
            "events": out.events, "rejected": len(out.rejected), "hits": hits,
            "matched": {cost.name: cost.hits for cost in whole.costs()}, "correlations": told,
            "explained": [{"line": at, "holds": one.holds, "reasons": list(one.lines())} for at, one in shown],
        })  # fmt: skip
    else:
        read = f"{counted(out.events, 'event')}, {counted(len(out.rejected), 'line')} rejected"
        click.echo(f"{read}, {counted(len(hits), 'hit')}")
        for rejected in out.rejected[:_SHOWN_EVENTS]:
            click.echo(printable(f"line {rejected.row + 1} rejected: {rejected.reason}"))
        for cost in whole.costs():
            if cost.name in whole.silent:
                click.echo(
                    f"{cost.name} matched {counted(cost.hits, 'event')}, which are no hits: correlations count them"
                )
        for about in told:
            click.echo(printable(f"{about['name']} {about['told']}"))
        for at, one in shown:
            click.echo(f"\nline {at}")
            for text in one.lines():
                click.echo(printable(f"  {text}"))
        for hit in hits:
            if hit["told"]:
                click.echo(printable(f"\nline {hit['line']} completes {hit['rule']}: {hit['told']}"))
    if not hits:
        raise SystemExit(1)


def _rules_of(file: Path, nearest: "Nearest") -> "RuleSet":
    """The rules of a file, and the built-in ones that its correlations refer to and that are not in it."""
    from phalanx.intel import CorrelationRule, Filter, Rule, RuleSet, load_rules, parse_file

    parts = parse_file(file.read_bytes(), where=file.name)
    own = [part for part in parts if isinstance(part, Rule)]
    correlations = [part for part in parts if isinstance(part, CorrelationRule)]
    named: list[Rule | CorrelationRule] = [*own, *correlations]
    known = {name for part in named for name in (part.name, *part.also)}
    lacking = {name for one in correlations for name in one.rules} - known
    if lacking:
        own += [one for one in load_rules().rules.values() if lacking.intersection((one.name, *one.also))]
    filters = [part for part in parts if isinstance(part, Filter)]
    return RuleSet(own, correlations=correlations, filters=filters, watch=nearest)


def _to_explain(rule: "Rule", whole: "RuleSet", batches: tuple[EventBatch, ...], line: int | None) -> list[Any]:
    """The requested line; or the first that match; or the nearest of those that do not."""
    from phalanx.intel import explain

    every = [(batch, place) for batch in batches for place in range(len(batch))]
    if line is not None:
        chosen = [(batch, place) for batch, place in every if batch.rows[place] == line - 1]
        return [(batch, place, explain(rule, batch, place)) for batch, place in chosen]
    own = [(batch, place) for batch, place in every if rule in whole.for_source(batch.log_source)]
    held = [(batch, place) for batch, place in own if place in rule.match(batch)]
    if held:
        return [(batch, place, explain(rule, batch, place)) for batch, place in held[:_SHOWN_EVENTS]]
    explained = [(batch, place, explain(rule, batch, place)) for batch, place in (own or every)[:1_000]]
    return sorted(explained, key=lambda one: -one[2].near)[:_SHOWN_EVENTS]


@rules.command()
@click.option(
    "--by",
    type=click.Choice(["hits", "asked", "spent_ns", "name"]),
    default="spent_ns",
    show_default=True,
    help="Sort order.",
)
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 10_000), help="Rules to show.")
@client_options
@json_option
def stats(client: NodeClient, by: str, limit: int, as_json: bool) -> None:
    """What each rule in force cost and produced: events it was evaluated on, hits, time.

    Hits are events that the rule matched, not findings: those of one rule on one host within an hour make one finding,
    and what is suppressed, or only counted by a correlation, makes none.
    """
    found = client.get("/v1/rules")
    rows = sorted(found["rules"], key=lambda row: row[by] if by == "name" else -row[by])[:limit]
    if as_json:
        print_json({**found, "rules": rows})
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]), ("asked about", lambda row: f"{row['asked']:,}"),
        ("hits", lambda row: f"{row['hits']:,}"), ("ms", lambda row: f"{row['spent_ns'] / 1e6:,.1f}"),
        ("title", lambda row: row["title"]),
    ]  # fmt: skip
    print_table(f"{counted(found['compiled'], 'rule')} in force", rows, columns, empty="there are no rules")
    if any(row["hits"] for row in rows):
        click.echo("hits are events; those of a rule on one host within an hour are one finding, suppressed ones none")
    _tell_left_out(found["refused"])


@rules.command()
@client_options
@json_option
def reload(client: NodeClient, as_json: bool) -> None:
    """Have a running node reload its rules. No event is lost; if a file became invalid, the old rules stay in force."""
    done = client.post("/v1/rules/reload")
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{counted(done['rules'], 'rule')} in force: {len(done['added'])} added, {len(done['changed'])} changed, "
        f"{len(done['removed'])} removed, {len(done['refused'])} left out"
    )
    _tell_left_out(done["refused"])


def _tell_left_out(refused: list[dict[str, Any]]) -> None:
    """Which files are not in force; first those that somebody has to fix."""
    for one in sorted(refused, key=lambda one: one["unsupported"]):
        if one["unsupported"]:
            click.echo(printable(f"left out, not supported: {one['file']}: {one['reason']}"))
        else:
            click.secho(printable(f"left out, INVALID: {one['file']}: {one['reason']}"), fg="red")
