"""Where rules are read from: those built in, and a folder of one's own.

A file that is no valid rule is left out and told, with its reason, and the others are in force: a node with one bad
file looks for everything else. Rules that do not fit together (a name that two have, a correlation of a rule that there
is not) are left out one by one in the same way.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import MAX_RULE_FILE_BYTES, MAX_RULES
from phalanx.intel.sigma._correlation import CorrelationRule
from phalanx.intel.sigma._rule import Filter, Part, Rule, parse_file, parse_rule
from phalanx.intel.sigma._ruleset import Refused, RuleSet

_SUFFIXES = (".yml", ".yaml")
# A file system has it at its root for itself, and lets nobody in.
_LOST = "lost+found"


@cache
def _builtin() -> tuple[Rule, ...]:
    files = sorted(resources.files("phalanx.intel").joinpath("rules").iterdir(), key=lambda file: file.name)
    return tuple(parse_rule(file.read_bytes(), where=file.name) for file in files if file.name.endswith(_SUFFIXES))


class _Folder(NamedTuple):
    """What is in a folder of rules: parts, each with its file; what is left out; a digest of each file's bytes."""

    placed: list[tuple[str, Part]]
    refused: list[Refused]
    digests: dict[str, str]

    def left_out(self) -> list[Refused]:
        """What is left out, so that a file is known again under another name."""
        return [one._replace(digest=self.digests.get(one.file, "")) for one in self.refused]


def load_rules(folder: Path | None = None) -> RuleSet:
    """The built-in rules, and those of ``folder`` and the folders in it; what cannot be in force is in ``refused``.

    A rule of the folder takes the place of a built-in one of the same name. Raises ``InvalidInput`` when there is no
    such folder, and ``LimitExceeded`` when there are too many rules.
    """
    rules = {rule.name: rule for rule in _builtin()}
    own = _Folder([], [], {}) if folder is None else _read(folder)
    rules.update((part.name, part) for _, part in own.placed if isinstance(part, Rule))
    wanted = [(file, part) for file, part in own.placed if isinstance(part, CorrelationRule)]
    correlations = _about_known_rules(wanted, rules.values(), own.refused)
    return RuleSet(
        (rules[name] for name in sorted(rules)),
        correlations=correlations,
        filters=[part for _, part in own.placed if isinstance(part, Filter)],
        refused=own.left_out(),
    )


def read_folder(folder: Path) -> tuple[list[Part], list[Refused]]:
    """What is in the rule files of ``folder``, and the files that cannot be compiled, each with its reason.

    Raises ``InvalidInput`` when there is no such folder, and ``LimitExceeded`` when there are too many files.
    """
    own = _read(folder)
    return [part for _, part in own.placed], own.left_out()


def rule_files(folder: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The rule files in ``folder`` and the folders in it by their names, and the folders that cannot be listed and why.

    A link to a folder is gone into, each folder once. What is hidden is none: a volume of Kubernetes has each file
    once more in a hidden folder, and links to it. Raises ``LimitExceeded`` when there are too many files.
    """
    files: list[Path] = []
    closed: list[tuple[Path, str]] = []
    seen: set[str] = set()

    def unlisted(error: OSError) -> None:
        closed.append((Path(error.filename), error.strerror or str(error)))

    for path, folders, names in os.walk(folder, onerror=unlisted, followlinks=True):
        real = os.path.realpath(path)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _LOST)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        here = Path(path)
        files += [here / name for name in names if not name.startswith(".") and name.lower().endswith(_SUFFIXES)]
        if len(files) > MAX_RULES:
            raise LimitExceeded("rule files", maximum=MAX_RULES, seen=len(files))
    return sorted(files), sorted(closed)


def _read(folder: Path) -> _Folder:
    try:
        there = folder.is_dir()
    except OSError as error:
        raise InvalidInput("rules folder", f"{folder} cannot be read: {error.strerror}") from error
    if not there:
        raise InvalidInput("rules folder", f"{folder} is not a folder")
    files, closed = rule_files(folder)
    found = _Folder([], [], {})
    for path, why in closed:
        where = f"{path.relative_to(folder)}/" if path != folder else str(folder)
        found.refused.append(Refused(where, f"the folder cannot be read: {why}", unsupported=False))
    named: dict[str, str] = {}
    for file in files:
        where = str(file.relative_to(folder))
        try:
            data = _bytes_of(file)
            found.digests[where] = hashlib.sha256(data).hexdigest()
            if len(data) > MAX_RULE_FILE_BYTES:
                raise InvalidRule(where, "file", f"longer than {MAX_RULE_FILE_BYTES} bytes")
            parts = parse_file(data, where=where)
        except InvalidRule as error:
            reason = error.message.removeprefix(f"{where}: ")
            found.refused.append(Refused(where, reason, isinstance(error, UnsupportedRule)))
            continue
        except OSError as error:
            found.refused.append(Refused(where, f"cannot be read: {error.strerror}", unsupported=False))
            continue
        for part in parts:
            if isinstance(part, Filter) or part.name not in named:
                named.setdefault(part.name, where)
                found.placed.append((where, part))
            else:
                reason = f"name: {part.name!r} is used by two rules, first in {named[part.name]}; give one another name"
                found.refused.append(Refused(where, reason, unsupported=False))
    return found


def _bytes_of(file: Path) -> bytes:
    """What is in it, a byte more than it may have at most."""
    # To open what is no file, as a pipe, may wait for ever.
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    with file.open("rb") as opened:
        return opened.read(MAX_RULE_FILE_BYTES + 1)


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
