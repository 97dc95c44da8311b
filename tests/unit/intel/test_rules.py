"""Sigma rules: values, modifiers, conditions, what is refused and how."""

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource, Severity
from phalanx.intel import InvalidRule, RuleSet, UnsupportedRule, load_rules, parse_rule
from phalanx.intel.sigma import _ruleset as ruleset_module

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
SYSMON = LogSource("windows", "process_creation", "sysmon")


def batch_of(*rows, source=SYSMON):
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    n = len(rows)
    return EventBatch(DEFAULT_TENANT, BATCH, source, "windows", 0, range(n), [0] * n, [b""] * n, columns)


def rule(detection, *, logsource="product: windows", more=""):
    lines = "\n".join(f"    {line}" for line in detection.strip().splitlines())
    return parse_rule(f"title: A rule\nlogsource:\n    {logsource}\ndetection:\n{lines}\n{more}", where="test.yml")


def matches(item, value):
    """Whether one line of a selection holds for an event whose field ``f`` has the value."""
    compiled = rule(f"sel:\n    {item}\ncondition: sel")
    row = {"f": value, "other": 1} if value is not ... else {"other": 1}
    return list(compiled.match(batch_of(row))) == [0]


@pytest.mark.parametrize(
    ("item", "holds_for", "not_for"),
    [
        ("f: abc", ["abc", "ABC"], ["abcd", "", ...]),
        ("f: ''", [""], ["a", ...]),
        ("f: null", [...], ["", "null", 0]),
        ("f: 4624", [4624, "4624"], [46240, 4624.5, True]),
        ("f: true", [True, "true", "TRUE"], [1, False]),
        ("f: 'a*c'", ["ac", "abc", "A\nC"], ["abcd", "xac"]),
        ("f: 'a?c'", ["abc", "a?c"], ["ac", "abbc"]),
        (r"f: 'a\*c'", ["a*c"], ["abc", r"a\*c"]),
        (r"f: 'a\\*c'", ["a\\c", "a\\bc"], ["a*c", "abc"]),
        (r"f: 'C:\dir\file'", [r"c:\DIR\file"], [r"c:dirfile"]),
        (r"f: '\\server'", [r"\server"], [r"\\server"]),
        (r"f: '\\\\server'", [r"\\server"], [r"\server"]),
        ("f: '*'", ["", "x", 0], [...]),
        ("f|contains: b", ["abc", "B"], ["ac", ...]),
        ("f|contains|all: [a, b]", ["ab", "b-a"], ["a", "b"]),
        ("f|startswith: [ab, x]", ["ABC", "x"], ["cab"]),
        (r"f|endswith: '\cmd.exe'", [r"C:\Windows\CMD.EXE"], ["cmd.exe", r"C:\cmd.exe.bak"]),
        ("f|cased: aB", ["aB"], ["ab", "AB"]),
        ("f|cased: true", [True, "true"], ["True"]),
        ("f|contains|cased: aB", ["xaBx"], ["xabx"]),
        ("f|re: '^a+$'", ["aaa"], ["AAA", "b"]),
        ("f|re|i: '^a+$'", ["aAa"], ["b"]),
        ("f|re: ''", ["", "x"], [...]),
        ("f|cidr: 192.0.2.0/24", ["192.0.2.9"], ["192.0.3.9", "x", "", ..., 7]),
        ("f|cidr: ['2001:db8::/32', 10.0.0.0/8]", ["2001:db8::1", "10.1.1.1"], ["2001:db9::1"]),
        ("f|gte: 10", [10, 10.5, "11"], [9, "x", ..., True]),
        ("f|lt: 10", [9, "-1"], [10, "", ...]),
        ("f|exists: true", ["", 0], [...]),
        ("f|exists: false", [...], ["", 0]),
        ("f|contains|windash: ' -enc '", ["x -enc y", "x /ENC y", "x –enc y"], ["x enc y"]),
        ("f: [a, null]", ["a", ...], ["b"]),
    ],
)
def test_values_and_modifiers(item, holds_for, not_for):
    for value in holds_for:
        assert matches(item, value), (item, value)
    for value in not_for:
        assert not matches(item, value), (item, value)


def test_keywords_are_looked_for_in_every_field():
    compiled = rule("words:\n    - bad\n    - 'w?rse'\ncondition: words")
    rows = [{"a": "not BAD at all"}, {"b": "worse"}, {"a": "good", "b": "fine"}, {"c": 3}]
    assert list(compiled.match(batch_of(*rows))) == [0, 1]
    both = rule("words:\n    '|all':\n        - one\n        - two\ncondition: words")
    assert list(both.match(batch_of({"a": "one", "b": "two"}, {"a": "one"}))) == [0]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a", {1, 3, 5, 7}),
        ("a and b", {3, 7}),
        ("a or b and c", {1, 3, 5, 6, 7}),
        ("(a or b) and c", {5, 6, 7}),
        ("not a and b", {2, 6}),
        ("not (a and b)", {0, 1, 2, 4, 5, 6}),
        ("not not a", {1, 3, 5, 7}),
        ("1 of them", {1, 2, 3, 4, 5, 6, 7}),
        ("all of them", {7}),
        ("any of _*", {0, 1, 2, 3, 4, 5, 6, 7}),
        ("a AND NOT b", {1, 5}),
        ("all of THEM", {7}),
    ],
)
def test_conditions(condition, expected):
    compiled = rule(f"a:\n    a: 1\nb:\n    b: 1\nc:\n    c: 1\n_d:\n    d: 1\ncondition: {condition}")
    rows = [{"a": n & 1, "b": n >> 1 & 1, "c": n >> 2 & 1, "d": 1} for n in range(8)]
    assert set(compiled.match(batch_of(*rows))) == expected


def test_several_conditions_are_alternatives():
    compiled = rule("a:\n    a: 1\nb:\n    b: 1\ncondition:\n    - a\n    - b")
    assert list(compiled.match(batch_of({"a": 1}, {"b": 1}, {"a": 2}))) == [0, 1]


@pytest.mark.parametrize(
    ("detection", "field", "reason"),
    [
        ("sel:\n    f: 1\ncondition: sel and", "condition", "ends too early"),
        ("sel:\n    f: 1\ncondition: (sel", "condition", "not closed"),
        ("sel:\n    f: 1\ncondition: sel)", "condition", "unexpected"),
        ("sel:\n    f: 1\ncondition: other", "condition", "no selection 'other'"),
        ("sel:\n    f: 1\ncondition: 1 of x*", "condition", "no selection is called like 'x*'"),
        ("sel:\n    f: 1\ncondition: 1 of", "condition", "'of' needs"),
        ("sel:\n    f: 1\ncondition: 1 of se[l]", "condition", "no selection is called like 'se[l]'"),
        ("sel:\n    f: 1\ncondition: " + "(" * 40 + "sel" + ")" * 40, "condition", "nest deeper"),
        ("sel:\n    f: 1", "condition", "is missing"),
        ("sel: {}\ncondition: sel", "sel", "is empty"),
        ("sel:\n    f: []\ncondition: sel", "sel.f", "an empty list"),
        ("sel:\n    f: [[1]]\ncondition: sel", "sel.f", "not list"),
        ("sel:\n    f|re: '('\ncondition: sel", "sel.f|re", "not a regular expression"),
        ("sel:\n    f|cidr: 300.0.0.0/8\ncondition: sel", "sel.f|cidr", "not a network"),
        ("sel:\n    f|gt: many\ncondition: sel", "sel.f|gt", "needs a number"),
        ("sel:\n    f|exists: 1\ncondition: sel", "sel.f|exists", "true or false"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(detection, field, reason):
    with pytest.raises(InvalidRule) as caught:
        rule(detection)
    assert (caught.value.rule, caught.value.field) == ("test.yml", field)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("detection", "feature"),
    [
        ("sel:\n    f: 1\ncondition: sel | count() > 5", "aggregation"),
        ("sel:\n    f: 1\ntimeframe: 5m\ncondition: sel", "counting within a time"),
        ("sel:\n    f: 1\ncondition: 2 of sel*", "'2' of"),
        ("sel:\n    f|contains|startswith: x\ncondition: sel", "'startswith' after 'contains'"),
    ],
)
def test_what_goes_beyond_the_compiler_is_refused_by_name(detection, feature):
    with pytest.raises(UnsupportedRule) as caught:
        rule(detection)
    assert feature in caught.value.feature


def test_one_rule_is_not_a_correlation_and_not_a_collection():
    with pytest.raises(UnsupportedRule, match="by themselves"):
        parse_rule(
            "title: x\ncorrelation: {type: event_count, rules: [r], timespan: 1m, condition: {gte: 2}}", where="c.yml"
        )
    with pytest.raises(UnsupportedRule, match="more than one document"):
        parse_rule("title: x\n---\ntitle: y", where="d.yml")


def test_a_yaml_bomb_is_refused_before_it_unfolds():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in ("ab", "bc", "cd", "de", "ef")
    )
    lines = "title: t\nlogsource:\n    product: x\ndetection:\n    sel: *f\n    condition: sel"
    with pytest.raises(InvalidRule, match="unfolds to more than"):
        parse_rule(bomb + lines, where="bomb.yml")


def test_what_a_finding_needs_is_taken_from_the_rule():
    compiled = parse_rule(
        """
title: Title
id: 929a690e-bef0-4204-a928-ef5e620d6fcc
status: stable
description: |
    Two
    lines.
tags: [attack.credential-access, attack.Credential_Access, attack.t1003.001, attack.g0007, cve.2021-1, attack.T1059]
logsource: {category: process_creation, product: windows}
detection:
    sel: {Image|endswith: x, User: y}
    condition: sel
fields: [User]
level: critical
""",
        where="x.yml",
    )
    assert compiled.name == "929a690e-bef0-4204-a928-ef5e620d6fcc"
    assert compiled.description == "Two lines."
    assert compiled.severity is Severity.CRITICAL
    assert compiled.confidence == 0.9
    assert compiled.techniques == ("T1003.001", "T1059")
    assert compiled.tactics == ("credential-access",)
    assert compiled.fields[0] == "User"
    assert set(compiled.fields) == {"User", "Image"}


@pytest.mark.parametrize(
    ("logsource", "source", "asked"),
    [
        ("product: windows", SYSMON, True),
        ("category: process_creation", SYSMON, True),
        ("service: security", SYSMON, False),
        ("category: process_creation", LogSource("windows", "process_creation", "security"), True),
        ("category: registry_event", LogSource("windows", "registry_set", "sysmon"), True),
        ("category: registry_set", LogSource("windows", "registry_add", "sysmon"), False),
        ("{product: linux, service: auth}", LogSource("linux", "", "sshd"), True),
        ("{product: linux, service: syslog}", LogSource("linux", "", "sshd"), False),
        ("category: dns", LogSource("zeek", "dns", "dns"), True),
    ],
)
def test_rules_are_asked_only_about_their_log_source(logsource, source, asked):
    text = f"title: t\nlogsource: {{{logsource.strip('{}')}}}\ndetection:\n    s: {{f: 1}}\n    condition: s"
    rules = RuleSet([parse_rule(text, where="r.yml")])
    assert bool(rules.evaluate(batch_of({"f": 1}, source=source))) is asked


def test_generic_field_names_find_the_sources_own():
    image = rule("sel:\n    Image|endswith: cmd.exe\ncondition: sel", logsource="category: process_creation")
    audited = batch_of({"NewProcessName": "C:\\cmd.exe"}, source=LogSource("windows", "process_creation", "security"))
    assert list(image.match(audited)) == [0]
    assert list(image.match(batch_of({"NewProcessName": "C:\\cmd.exe"}))) == []


def test_hits_come_by_rule_and_in_order():
    rules = RuleSet(
        parse_rule(
            f"title: t\nname: {name}\nlogsource: {{product: windows}}\n"
            f"detection: {{s: {{f: [{values}]}}, condition: s}}",
            where=name,
        )
        for name, values in (("one", "1, 3"), ("two", "2, 3"))
    )
    hits = rules.evaluate(batch_of({"f": 3}, {"f": 2}, {"f": 1}))
    assert [(hit.rule.name, hit.place) for hit in hits] == [("one", 0), ("one", 2), ("two", 0), ("two", 1)]


def test_the_builtin_rules_load():
    rules = load_rules()
    assert len(rules) >= 20
    assert list(rules.rules) == sorted(rules.rules)
    for loaded in rules.rules.values():
        # What the node says of itself is not always somebody's doing.
        assert (loaded.techniques and loaded.tactics) or loaded.log_source.product == "phalanx", loaded.name
        assert loaded.description, loaded.name


def test_a_folder_adds_rules_and_replaces_builtin_ones(tmp_path):
    body = "logsource: {product: windows}\ndetection: {s: {f: 1}, condition: s}\n"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mine.yaml").write_text(f"title: Mine\nname: mine\n{body}")
    (tmp_path / "theirs.yml").write_text(f"title: Calmer\nname: dns-tunnel\nlevel: low\n{body}")
    (tmp_path / "notes.txt").write_text("not a rule")
    rules = load_rules(tmp_path)
    assert len(rules) == len(load_rules()) + 1
    assert rules.rules["dns-tunnel"].title == "Calmer"
    (tmp_path / "zagain.yml").write_text(f"title: Again\nname: mine\n{body}")
    rules = load_rules(tmp_path)
    assert rules.rules["mine"].title == "Mine"
    ((file, reason, unsupported, _),) = rules.refused
    assert (file, unsupported) == ("zagain.yml", False)
    assert reason.startswith("name: 'mine' is used by two rules, first in deep/mine.yaml")


def correlation(name, *about):
    return (
        f"title: {name}\nname: {name}\ncorrelation:\n  type: event_count\n  rules: [{', '.join(about)}]\n"
        "  group-by: [host]\n  timespan: 1m\n  condition: {gte: 2}\n"
    )


@pytest.mark.requirement("INT-2")
def test_files_that_are_no_valid_rules_are_named_by_their_path_and_the_others_are_in_force(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bad.yml").write_text("title: [")
    (tmp_path / "many.yml").write_text(correlation("many", "mine"))
    (tmp_path / "more.yml").write_text(correlation("more", "many"))
    (tmp_path / "nothing.yml").write_text(correlation("nothing", "elsewhere"))
    (tmp_path / "on-nothing.yml").write_text(correlation("on-nothing", "nothing"))
    (tmp_path / "round.yml").write_text(correlation("round", "round"))
    (tmp_path / "builtin.yml").write_text(correlation("dns-tunnel", "many"))
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "zmine.yml").write_text(
        "title: Mine\nname: mine\nlogsource: {product: windows}\ndetection: {s: {f: 1}, condition: s}\n"
    )
    rules = load_rules(tmp_path)
    assert len(rules) == len(load_rules()) + 3
    assert list(rules.correlations) == ["many", "more"]
    told = {one.file: one.reason for one in rules.refused}
    assert told.pop("sub/bad.yml").startswith("file: not YAML")
    assert told == {
        "builtin.yml": "name: 'dns-tunnel' is used by two rules; give one another name",
        "nothing.yml": "correlation.rules: there is no rule 'elsewhere'",
        "on-nothing.yml": "correlation.rules: is about itself, or about one that is left out",
        "round.yml": "correlation.rules: is about itself, or about one that is left out",
    }


def test_log_sources_made_up_by_senders_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(ruleset_module, "MAX_ROUTES", 10)
    rules = RuleSet([rule("sel:\n    f: 1\ncondition: sel")])
    for number in range(50):
        columns = {"f": [1]}
        batch = EventBatch(DEFAULT_TENANT, BatchId("b"), LogSource(f"p{number}"), "r", 1, [0], [1], [b""], columns)
        rules.evaluate(batch)
        rules.for_source(batch.log_source)
    assert len(rules._routes) <= 10
    assert len(rules._for_source) <= 10
