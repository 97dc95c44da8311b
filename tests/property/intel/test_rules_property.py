"""Compiled rules against a naive evaluator that looks at one event at a time.

The naive one knows Sigma's rules and nothing of columns: it was written from the specification,
not from the compiler.
"""

import contextlib
import fnmatch
import ipaddress
import re
import zipfile

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource
from phalanx.intel import InvalidRule, UnsupportedRule, parse_rule, read_lines
from phalanx.intel.sigma._sources import aliases, concerns

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
MAX_REGEX_CHARS = 8_192


def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pattern_of(text):
    """Sigma's wildcards as a regular expression, letter by letter."""
    out, at = "", 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text) and text[at + 1] in "*?\\":
            out += re.escape(text[at + 1])
            at += 2
            continue
        out += ".*" if letter == "*" else "." if letter == "?" else re.escape(letter)
        at += 1
    return out


REGEX_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
COMPARISONS = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def regex_matches(value, wanted, modifiers):
    flags = sum(REGEX_FLAGS.get(name, 0) for name in modifiers)
    return re.search(text_of(wanted), text_of(value)[:MAX_REGEX_CHARS], flags) is not None


def address_matches(value, wanted):
    try:
        return ipaddress.ip_address(text_of(value)) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def number_matches(value, wanted, holds):
    try:
        return not isinstance(value, bool) and holds(float(value), wanted)
    except ValueError:
        return False


def text_matches(value, wanted, modifiers, field_given):
    have, want = text_of(value), text_of(wanted)
    if "cased" not in modifiers:
        have, want = have.lower(), want.lower()
    pattern = pattern_of(want)
    if "contains" in modifiers or not field_given:
        pattern = f".*{pattern}.*"
    elif "startswith" in modifiers:
        pattern = f"{pattern}.*"
    elif "endswith" in modifiers:
        pattern = f".*{pattern}"
    return re.fullmatch(pattern, have, re.DOTALL) is not None


def value_matches(value, wanted, modifiers, field_given):
    if wanted is None:
        return value is None
    if "exists" in modifiers:
        return (value is not None) is wanted
    if value is None:
        return False
    if "re" in modifiers:
        return regex_matches(value, wanted, modifiers)
    if "cidr" in modifiers:
        return address_matches(value, wanted)
    for name in modifiers:
        if name in COMPARISONS:
            return number_matches(value, wanted, COMPARISONS[name])
    return text_matches(value, wanted, modifiers, field_given)


def item_matches(event, key, values):
    field, *modifiers = (key or "").split("|")
    values = values if isinstance(values, list) else [values]
    if field:
        results = [value_matches(event.get(field), wanted, modifiers, field_given=True) for wanted in values]
    else:
        results = [
            any(value_matches(value, wanted, modifiers, field_given=False) for value in event.values())
            for wanted in values
        ]
    return all(results) if "all" in modifiers else any(results)


def selection_matches(event, body):
    if isinstance(body, dict):
        return all(item_matches(event, key, values) for key, values in body.items())
    if isinstance(body, list) and any(isinstance(part, dict) for part in body):
        return any(selection_matches(event, part) for part in body)
    return item_matches(event, None, body)


def rule_matches(event, detection):
    """Python's own parser reads the condition: its ``and``, ``or`` and ``not`` bind as Sigma's do."""
    selected = {name: selection_matches(event, body) for name, body in detection.items() if name != "condition"}
    condition = detection["condition"]

    def quantified(match):
        pattern = match[2]
        names = [name for name in selected if fnmatch.fnmatchcase(name, pattern) or pattern == "them"]
        names = [name for name in names if pattern != "them" or not name.startswith("_")]
        results = [selected[name] for name in names]
        return str(all(results) if match[1] == "all" else any(results))

    condition = re.sub(r"\b(1|any|all) of (\S*[^\s)])", quantified, condition)
    return eval(condition, {}, {**selected, "True": True, "False": False})


FIELDS = ("Alpha", "beta", "Gamma")
letters = st.sampled_from(["a", "B", "b", "\\", "*", "?", "/", "-", " ", ".", "İ", "ß", "1", "0", "\n"])
texts = st.lists(letters, max_size=6).map("".join)
# A small pool, so that values and patterns often meet.
pool = st.sampled_from(
    [
        "",
        "a",
        "A",
        "ab",
        "aB*",
        "a*b",
        "a?b",
        "a\\*b",
        "a\\\\*b",
        "a\\b",
        "a\\\\b",
        "*b",
        "a\nb",
        "*",
        "\\",
        "true",
        "True",
    ]
)
plain_values = st.one_of(pool, pool, texts, st.integers(0, 12), st.booleans(), st.sampled_from(["192.0.2.7", "::1"]))
events = st.lists(
    st.dictionaries(st.sampled_from(FIELDS), plain_values | st.floats(0, 12), max_size=3), min_size=1, max_size=8
)


@st.composite
def items(draw):
    field = draw(st.sampled_from(FIELDS))
    kind = draw(
        st.sampled_from(["", "contains", "startswith", "endswith", "re", "cidr", "gte", "lt", "exists", "null"])
    )
    suffix = draw(st.sampled_from(["", "", "|all", "|cased"]))
    if kind == "null":
        return field, None
    if kind == "exists":
        return f"{field}|exists", draw(st.booleans())
    if kind == "cidr":
        return f"{field}|cidr", draw(st.lists(st.sampled_from(["192.0.2.0/24", "::/0", "0.0.0.0/0"]), min_size=1))
    if kind in ("gte", "lt"):
        return f"{field}|{kind}", draw(st.integers(0, 12))
    if kind == "re":
        flags = draw(st.sampled_from(["", "|i"]))
        return f"{field}|re{flags}", draw(st.sampled_from(["^a", "b+", "[ab]$", "a.b", "^$", "1|0"]))
    values = draw(st.lists(plain_values, min_size=1, max_size=3))
    if suffix == "|all" and not kind:
        suffix = ""
    return f"{field}{'|' if kind else ''}{kind}{suffix}", values if draw(st.booleans()) else values[0]


mappings = st.lists(items(), min_size=1, max_size=3).map(dict)
selections = st.one_of(
    mappings, mappings, st.lists(mappings, min_size=1, max_size=2), st.lists(texts.filter(len), min_size=1, max_size=2)
)


@st.composite
def conditions(draw, names, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([*names, "1 of sel_*", "all of sel_*", "all of them", "any of them"]))
    kind = draw(st.sampled_from(["and", "or", "not", "("]))
    one = draw(conditions(names, depth - 1))
    if kind == "not":
        return f"not {one}"
    if kind == "(":
        return f"({one})"
    return f"{one} {kind} {draw(conditions(names, depth - 1))}"


@st.composite
def detections(draw):
    names = draw(st.sampled_from([["sel_a"], ["sel_a", "sel_b"], ["sel_a", "_hidden"], ["sel_a", "sel_b", "_hidden"]]))
    body = {name: draw(selections) for name in names}
    return body | {"condition": draw(conditions(names))}


def batch_of(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    n = len(rows)
    return EventBatch(DEFAULT_TENANT, BATCH, LogSource("test"), "windows", 0, range(n), [0] * n, [b""] * n, columns)


def compiled(detection):
    document = {"title": "t", "logsource": {"product": "test"}, "detection": detection}
    return parse_rule(yaml.safe_dump(document, allow_unicode=True), where="test.yml")


@settings(max_examples=250, deadline=None)
@given(detections(), events)
def test_a_compiled_rule_means_what_the_naive_evaluator_says(detection, rows):
    rule = compiled(detection)
    expected = [place for place, row in enumerate(rows) if rule_matches(row, detection)]
    assert list(rule.match(batch_of(rows))) == expected


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_makes_the_parser_fail_in_another_way(text):
    with contextlib.suppress(InvalidRule):
        parse_rule(text, where="fuzz.yml")


nodes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["sel", "them", "1 of sel"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
documents = st.fixed_dictionaries(
    {"title": st.just("t") | nodes, "logsource": st.just({"product": "test"}) | nodes},
    optional={
        "detection": nodes
        | st.fixed_dictionaries(
            {
                "sel": nodes,
                "condition": nodes | st.text("sel and or not ( ) of 1 |", max_size=20),
            }
        ),
        "tags": nodes,
        "level": nodes,
        "fields": nodes,
    },
)


@settings(max_examples=150, deadline=None)
@given(documents)
def test_no_document_makes_the_compiler_fail_in_another_way(document):
    try:
        rule = parse_rule(yaml.safe_dump(document), where="fuzz.yml")
    except InvalidRule:
        return
    rule.match(batch_of([{"sel": "x"}, {}]))


@pytest.mark.parametrize("modifier", ["expand", "re|x", "base64|re"])
def test_what_is_not_supported_is_refused_by_name(modifier):
    with pytest.raises(UnsupportedRule, match=repr(modifier.split("|")[-1 if modifier.startswith("re") else 0])):
        compiled({"sel": {f"Field|{modifier}": "x"}, "condition": "sel"})


def recorded_events(shared_data, every):
    for archive in sorted((shared_data / "logs" / "otrf_security_datasets").rglob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.endswith((".json", ".log")):
                    lines = opened.read(name).split(b"\n")
                    yield from (line for n, line in enumerate(lines) if n % every == 0 or b"Process Create:" in line)


@pytest.mark.slow
@pytest.mark.requirement("INT-2")
def test_public_rules_on_recorded_events_mean_what_the_naive_evaluator_says(shared_data):
    lines = list(recorded_events(shared_data, every=61))
    out = read_lines(lines, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=1_772_443_800_000_000_000)
    files = sorted((shared_data / "rules" / "sigma").rglob("*.yml"))[::4]
    asked = hits = 0
    for file in files:
        text = file.read_text()
        try:
            rule = parse_rule(text, where=file.name)
        except UnsupportedRule:
            continue
        detection = yaml.load(text, Loader=yaml.CSafeLoader)["detection"]
        for batch in out.batches:
            if not concerns(rule.log_source, batch.log_source):
                continue
            renamed = aliases(batch.log_source)
            rows = []
            for event in batch:
                fields = event.fields()
                rows.append({name: fields[own] for name, own in renamed.items() if own in fields} | fields)
            expected = [place for place, row in enumerate(rows) if rule_matches(row, detection)]
            assert list(rule.match(batch)) == expected, file.name
            asked += len(rows)
            hits += len(expected)
    assert asked > 20_000
    assert hits > 20, hits
