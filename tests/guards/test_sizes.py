"""A module is one idea and a function fits on a screen."""

import ast

LOOK_AGAIN_LINES = 400
MAX_MODULE_LINES = 600
MAX_FUNCTION_LINES = 70


def long_modules(sources, over_lines):
    counted = ((len(source.text.splitlines()), source.path) for source in sources)
    return [f"{path}: {lines} lines" for lines, path in sorted(counted, reverse=True) if lines > over_lines]


def long_functions(sources):
    found = []
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    found.append(f"{source.path}:{node.lineno}: {node.name} has {lines} lines")
    return found


def test_no_module_is_longer_than_its_bound(production, scripts, report, refuse):
    sources = production + scripts
    report(f"look again, then split: {line}" for line in long_modules(sources, LOOK_AGAIN_LINES))
    refuse(long_modules(sources, MAX_MODULE_LINES))


def test_no_function_is_longer_than_a_screen(production, scripts, refuse):
    refuse(long_functions(production + scripts))


def test_a_long_module_is_found(planted):
    source = planted("x = 1\n" * (MAX_MODULE_LINES + 1))
    assert long_modules([source], MAX_MODULE_LINES) == [f"{source.path}: 601 lines"]
    assert not long_modules([planted("x = 1\n" * MAX_MODULE_LINES)], MAX_MODULE_LINES)


def test_a_long_function_is_found_even_inside_a_class(planted):
    body = "        x = 1\n" * MAX_FUNCTION_LINES
    found = long_functions([planted(f"class A:\n    async def f(self):\n{body}")])
    assert found == ["src/phalanx/intel/_planted.py:2: f has 71 lines"]
    assert not long_functions([planted(f"def f():\n{body[:-14]}")])
