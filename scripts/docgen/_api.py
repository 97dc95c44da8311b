"""docs/reference/api.md and openapi.json: the API as its own schema describes it."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docgen._markdown import code, page, prose, table

INTRODUCTION = """\
Every address of version 1 stands under `/v1`. Whatever goes wrong is answered with a problem document
(RFC 9457), listed in [errors](errors.md), and is not repeated below.
The schema for programs is [openapi.json](openapi.json); a running node serves it at `/openapi.json`."""

BOUNDS = {"minimum": "≥", "maximum": "≤", "maxLength": "length ≤"}
METHODS = ("get", "post", "put", "patch", "delete")


@functools.cache
def schema() -> dict[str, Any]:
    """The OpenAPI document that a node serves, asked of a node that runs in a simulation."""
    from phalanx.api import create_app
    from phalanx.node import Settings, build_node
    from phalanx.testing import SimWorld

    async def ask(world: SimWorld) -> dict[str, Any]:
        async with build_node(Settings.model_validate({}), world.ports("docs")) as node:
            return create_app(node).openapi()

    return SimWorld(0).run(ask)


def openapi_document(root: Path) -> str:  # noqa: ARG001 - every page is built from the repository
    """The schema as a file; sorted, so that a change shows as what it is."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def api_page(root: Path) -> str:  # noqa: ARG001
    """The page: operations by tag, in the order of their addresses."""
    document = schema()
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag: [] for tag in described}
    for path, method, operation in operations(document):
        by_tag.setdefault((operation.get("tags") or ["other"])[0], []).append((path, method, operation))
    blocks = []
    for tag, found in by_tag.items():
        blocks += [f"## {tag}", prose(described.get(tag))]
        blocks += [block for one in found for block in describe(*one, document)]
    return page("HTTP API", "`phalanx.api`", INTRODUCTION, *blocks)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method in item:
                yield path, method.upper(), item[method]


def describe(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """One operation: what it does, what it takes, what it answers when all is well."""
    answers = [
        (status, shape(answer, document), prose(answer.get("description")))
        for status, answer in sorted(operation.get("responses", {}).items())
        if status != "default"
    ]
    return [
        f"### `{method} {path}`",
        prose(operation.get("description")) or operation.get("summary", ""),
        table(["parameter", "in", "type", "meaning"], parameters(operation, document)),
        body(operation, document),
        table(["status", "body", "meaning"], answers),
    ]


def parameters(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for one in operation.get("parameters", ()):
        name = code(one["name"]) + ("" if one.get("required") else " (optional)")
        yield name, one["in"], kind(one.get("schema", {}), document), prose(one.get("description"))


def body(operation: dict[str, Any], document: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return (
        "Body: " + "; ".join(f"`{media}`{of(media_type, document)}" for media, media_type in content.items())
        if content
        else ""
    )


def shape(answer: dict[str, Any], document: dict[str, Any]) -> str:
    return "; ".join(f"`{media}`{of(media_type, document)}" for media, media_type in answer.get("content", {}).items())


def of(media_type: dict[str, Any], document: dict[str, Any]) -> str:
    name = kind(media_type.get("schema", {}), document)
    return f" {name}" if name else ""


def kind(one: dict[str, Any], document: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in one:
        name = one["$ref"].rsplit("/", 1)[-1]
        meant = document.get("components", {}).get("schemas", {}).get(name, {})
        return kind(meant, document) if "enum" in meant else code(name)
    if "enum" in one:
        return " or ".join(code(str(value)) for value in one["enum"])
    given = [choice for choice in one.get("anyOf", one.get("oneOf", ())) if choice.get("type") != "null"]
    if given:
        return " or ".join(kind(choice, document) for choice in given)
    if one.get("type") == "array":
        return f"list of {kind(one.get('items', {}), document)}"
    if {"items", "next"} <= set(one.get("properties", ())):
        return "a page of " + kind(one["properties"]["items"]["items"], document)
    bounds = [f"{sign} {one[name]}" for name, sign in BOUNDS.items() if name in one]
    return ", ".join([str(one.get("type", "")), *bounds]).strip(", ")
