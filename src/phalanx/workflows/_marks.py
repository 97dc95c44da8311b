"""YAML with the position of every part: errors carry their line.

Anchors are refused (a file that fits on a screen could expand to more than memory holds), and so are duplicate
keys, one of which would silently win.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

from phalanx.workflows._errors import Problem
from phalanx.workflows._limits import MAX_FILE_BYTES, MAX_FILE_DEPTH

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Marked:
    """A document as plain data, the place of each part, and what was wrong on the way."""

    data: Any = None
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Path, reason: str) -> None:
        """Note what is wrong with the part at ``path``, or with the nearest one around it that is there."""
        at = path
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (1, 1))
        self.problems.append(Problem(line, column, told(path), reason))


def told(path: Path) -> str:
    """A path as people write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_marked(text: str) -> Marked:
    """Read one YAML document; whatever is wrong is among its problems."""
    found = Marked()
    if len(text.encode()) > MAX_FILE_BYTES:
        found.problems.append(Problem(1, 1, "", f"the file is longer than {MAX_FILE_BYTES} bytes"))
        return found
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                at = event.start_mark
                place = (at.line + 1, at.column + 1) if at is not None else (1, 1)
                reason = f"*{event.anchor}: a part is written where it belongs, and not referred to"
                found.problems.append(Problem(*place, "", reason))
                return found
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        found.problems.append(Problem(line, column, "", f"is not YAML: {getattr(error, 'problem', None) or error}"))
        return found
    except RecursionError:
        found.problems.append(Problem(1, 1, "", "is nested too deeply"))
        return found
    if node is None:
        found.problems.append(Problem(1, 1, "", "the file is empty"))
        return found
    found.data = _plain(node, (), found)
    return found


def _plain(node: yaml.Node, path: Path, found: Marked) -> Any:
    found.places[path] = node.start_mark.line + 1, node.start_mark.column + 1
    if len(path) > MAX_FILE_DEPTH:
        found.problem(path, "is nested too deeply")
        return None
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            inner = (*path, key)
            if inner in found.places:
                found.places[inner] = key_node.start_mark.line + 1, key_node.start_mark.column + 1
                found.problem(inner, "is there twice")
                continue
            made[key] = _plain(value_node, inner, found)
            found.places[inner] = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, (*path, at), found) for at, one in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        found.problem(path, f"cannot be read: {error}")
        return None
