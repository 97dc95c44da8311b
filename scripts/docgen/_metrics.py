"""docs/reference/metrics.md: every metric that the code registers by a literal name."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docgen._markdown import code, page, table

INTRODUCTION = """\
Served as OpenMetrics at `/metrics`, and exported over OTLP with the extra `otlp`. A name ends in its unit; a histogram
keeps quantiles with at most 1 % relative error."""

KINDS = {"counter", "gauge", "histogram"}
PREFIX = "phalanx_"


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A registered metric, as the source says it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    room: str
    help: str


def metrics_page(root: Path) -> str:
    """The page, by name."""
    rows = [
        (code(one.name), one.kind, ", ".join(map(code, one.labels)), one.room, one.help)
        for one in sorted(set(metrics(root / "src" / "phalanx")))
    ]
    header = ["metric", "kind", "labels", "room", "meaning"]
    return page("Metrics", "the calls that register them", INTRODUCTION, table(header, rows))


def metrics(package: Path) -> Iterator[Metric]:
    """Every call of ``counter``, ``gauge`` or ``histogram`` with a name of ours."""
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"), str(file))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
                found = registered(node, node.func.attr, file.relative_to(package))
                if found is not None:
                    yield found


def registered(call: ast.Call, kind: str, file: Path) -> Metric | None:
    """The metric that a call registers, or None when it is another method of the same name."""
    names = ModuleNames(file)
    given = dict(zip(("name", "help", "labels"), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    name = names.value(given["name"]) if "name" in given else None
    if not isinstance(name, str) or not name.startswith(PREFIX):
        return None
    text, labels = names.value(given["help"]), names.value(given["labels"]) if "labels" in given else ()
    if not isinstance(text, str) or not isinstance(labels, tuple | list):
        raise SystemExit(f"{file}:{call.lineno}: help and labels of {name} cannot be read from the source")
    return Metric(name, kind, tuple(map(str, labels)), file.parts[0], text)


class ModuleNames:
    """Values of expressions that are literals, f-strings of literals and names of one module."""

    def __init__(self, file: Path) -> None:
        self._module = "phalanx." + ".".join(file.with_suffix("").parts).removesuffix(".__init__")

    def value(self, expression: ast.expr) -> object:
        if isinstance(expression, ast.Name):
            return getattr(importlib.import_module(self._module), expression.id, None)
        if isinstance(expression, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in expression.values]
            return "".join(str(self.value(part)) for part in parts)
        try:
            return ast.literal_eval(expression)
        except ValueError:
            return None
