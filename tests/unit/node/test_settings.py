"""Settings: which source wins, and what a wrong one is told."""

import pytest

from phalanx.core import InvalidInput
from phalanx.incidents import DOMAIN_CONTROLLERS
from phalanx.node import Section, Settings, env_name, load_settings, setting_names


def _sections():
    for name, field in Settings.model_fields.items():
        yield name, field.annotation


def test_every_setting_is_documented():
    for name, section in _sections():
        assert issubclass(section, Section)
        for setting, field in section.model_fields.items():
            assert field.description, f"{name}.{setting} has no description"
            assert field.description.endswith("."), f"{name}.{setting}: descriptions are sentences"


def test_names_and_variables_are_unique():
    variables = [env_name(name) for name in setting_names()]
    assert len(variables) == len(set(variables)) > 10


def test_later_sources_win_and_origins_tell_which(tmp_path):
    file = tmp_path / "phalanx.toml"
    file.write_text("[api]\nport = 1001\nhost = '127.0.0.2'\n[agents]\nper_role = 3\n")
    environ = {"PHALANX_API_PORT": "1002", "PHALANX_AGENTS_PER_ROLE": "5", "HOME": "/"}
    loaded = load_settings(file=file, environ=environ, flags={"api.port": 1003, "node.name": None})
    assert loaded.settings.api.port == 1003
    assert loaded.settings.agents.per_role == 5
    assert loaded.settings.api.host == "127.0.0.2"
    assert loaded.settings.node.name == "phalanx"
    assert loaded.origins == {
        "api.port": "command line",
        "api.host": str(file),
        "agents.per_role": "environment",
    }


@pytest.mark.parametrize(
    "source",
    [
        {"environ": {"PHALANX_RESPONSE_PROTECTED_HOSTS": "dc*,vault-?"}},
        {"flags": {"response.protected_hosts": "dc*,vault-?"}},
    ],
)
def test_lists_that_come_as_text_are_comma_separated(source):
    assert load_settings(**source).settings.response.protected_hosts == ("dc*", "vault-?")


def test_a_node_protects_what_the_policy_itself_would():
    assert Settings().response.protected_hosts == DOMAIN_CONTROLLERS


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=f"{tmp_path} cannot be read"):
        load_settings(file=tmp_path)


@pytest.mark.parametrize(
    ("environ", "flags", "field", "says"),
    [
        ({"PHALANX_API_PROT": "1"}, {}, "PHALANX_API_PROT", "did you mean PHALANX_API_PORT?"),
        ({}, {"api.prot": 1}, "api.prot", "did you mean api.port?"),
        ({"PHALANX_API_PORT": "70000"}, {}, "api.port", "from environment, got '70000'"),
        ({}, {"agents.per_role": 0}, "agents.per_role", "from command line"),
        ({}, {"store.kind": "oracle"}, "store.kind", "'embedded' or 'postgres'"),
    ],
)
def test_a_wrong_setting_names_itself_its_source_and_the_mend(environ, flags, field, says):
    with pytest.raises(InvalidInput) as caught:
        load_settings(environ=environ, flags=flags)
    assert caught.value.context["field"] == field
    assert says in caught.value.message


@pytest.mark.parametrize("text", ["port = 1\n", "[api\n", "[api]\nport = 1\nport = 2\n"])
def test_a_file_that_is_not_settings_is_named(tmp_path, text):
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"x\.toml"):
        load_settings(file=file)


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(InvalidInput, match="there is no file"):
        load_settings(file=tmp_path / "none.toml")


def test_a_sink_is_a_table_of_its_own_and_a_wrong_one_is_named(tmp_path):
    file = tmp_path / "phalanx.toml"
    table = (
        '[[sinks]]\nname = "hook"\ntype = "webhook"\nmin_severity = "high"\noptions = { url = "https://a.example" }\n'
    )
    file.write_text(table)
    (sink,) = load_settings(file=file).settings.sinks.each
    assert (sink.name, sink.min_severity, sink.kinds) == ("hook", "high", ("finding", "case", "decision"))
    for wrong, told in (
        (table.replace("high", "dire"), r"sinks\.each\[0\]\.min_severity"),
        (table + 'kindz = ["event"]\n', r"sinks\.each\[0\]\.kindz"),
        (table + table, "two are called 'hook'"),
        (table.replace("[[sinks]]", "[[sincs]]"), "every setting stands in a"),
    ):
        file.write_text(wrong)
        with pytest.raises(InvalidInput, match=told):
            load_settings(file=file)
