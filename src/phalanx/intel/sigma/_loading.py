"""Where rules are read from: those built in, and a folder of one's own.

A file that is no valid rule is left out and told, with its reason, and the others are in force: a node with one bad
file looks for everything else. Rules that do not fit together (a name that two have, a correlation of a rule that there
is not) are left out one by one in the same way.
"""

from collections.abc import Collection, Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import MAX_RULE_FILE_BYTES, MAX_RULES
from phalanx.intel.sigma._correlation import CorrelationRule
from phalanx.intel.sigma._rule import Filter, Part, Rule, parse_file, parse_rule
from phalanx.intel.sigma._ruleset import Refused, RuleSet

_SUFFIXES = (".yml", ".yaml")


@cache
def _builtin() -> tuple[Rule, ...]:
    files = sorted(resources.files("phalanx.intel").joinpath("rules").iterdir(), key=lambda file: file.name)
    return tuple(parse_rule(file.read_bytes(), where=file.name) for file in files if file.name.endswith(_SUFFIXES))


def load_rules(folder: Path | None = None) -> RuleSet:
    """The built-in rules, and those of ``folder`` and the folders in it; what cannot be in force is in ``refused``.

    A rule of the folder takes the place of a built-in one of the same name. Raises ``InvalidInput`` when there is no
    such folder, and ``LimitExceeded`` when there are too many rules.
    """
    rules = {rule.name: rule for rule in _builtin()}
    placed, refused = ([], []) if folder is None else _placed(folder)
    rules.update((part.name, part) for _, part in placed if isinstance(part, Rule))
    wanted = [(file, part) for file, part in placed if isinstance(part, CorrelationRule)]
    correlations = _about_known_rules(wanted, rules.values(), refused)
    return RuleSet(
        (rules[name] for name in sorted(rules)),
        correlations=correlations,
        filters=[part for _, part in placed if isinstance(part, Filter)],
        refused=refused,
    )


def read_folder(folder: Path) -> tuple[list[Part], list[Refused]]:
    """What is in the rule files of ``folder``, and the files that cannot be compiled, each with its reason.

    Raises ``InvalidInput`` when there is no such folder, and ``LimitExceeded`` when there are too many files.
    """
    placed, refused = _placed(folder)
    return [part for _, part in placed], refused


def is_rule_file(file: Path, folder: Path) -> bool:
    """By its name. What is hidden is none: a volume of Kubernetes has each file once more in a hidden folder."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in _SUFFIXES and not hidden


def _placed(folder: Path) -> tuple[list[tuple[str, Part]], list[Refused]]:
    """The parts of a folder, each with its file."""
    if not folder.is_dir():
        raise InvalidInput("rules folder", f"{folder} is not a folder")
    files = sorted(file for file in folder.rglob("*") if is_rule_file(file, folder) and file.is_file())
    if len(files) > MAX_RULES:
        raise LimitExceeded("rule files", maximum=MAX_RULES, seen=len(files))
    placed: list[tuple[str, Part]] = []
    refused: list[Refused] = []
    named: dict[str, str] = {}
    for file in files:
        where = str(file.relative_to(folder))
        try:
            if file.stat().st_size > MAX_RULE_FILE_BYTES:
                raise InvalidRule(where, "file", f"longer than {MAX_RULE_FILE_BYTES} bytes")
            parts = parse_file(file.read_bytes(), where=where)
        except InvalidRule as error:
            reason = error.message.removeprefix(f"{where}: ")
            refused.append(Refused(where, reason, isinstance(error, UnsupportedRule)))
            continue
        except OSError as error:
            refused.append(Refused(where, f"cannot be read: {error.strerror}", unsupported=False))
            continue
        for part in parts:
            if isinstance(part, Filter) or part.name not in named:
                named.setdefault(part.name, where)
                placed.append((where, part))
            else:
                reason = f"name: {part.name!r} is used by two rules, first in {named[part.name]}; give one another name"
                refused.append(Refused(where, reason, unsupported=False))
    return placed, refused


def _about_known_rules(
    wanted: Iterable[tuple[str, CorrelationRule]], rules: Collection[Rule], refused: list[Refused]
) -> list[CorrelationRule]:
    """The correlations whose rules there are, and ``refused`` the others: also those that are about themselves."""
    names = {rule.name for rule in rules}
    called = names | {other for rule in rules for other in rule.also}
    left, known = [], []
    for file, one in wanted:
        if one.name in names:
            refused.append(
                Refused(file, f"name: {one.name!r} is used by two rules; give one another name", unsupported=False)
            )
        else:
            left.append((file, one))
    every = called | {name for _, one in left for name in (one.name, *one.also)}
    while ready := [(file, one) for file, one in left if called.issuperset(one.rules)]:
        known += [one for _, one in ready]
        called |= {name for _, one in ready for name in (one.name, *one.also)}
        left = [(file, one) for file, one in left if (file, one) not in ready]
    for file, one in left:
        lacking = next((name for name in one.rules if name not in every), "")
        why = f"there is no rule {lacking!r}" if lacking else "is about itself, or about one that is left out"
        refused.append(Refused(file, f"correlation.rules: {why}", unsupported=False))
    return known
