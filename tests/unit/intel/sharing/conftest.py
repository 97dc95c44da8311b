"""The published schemas, as an oracle that we did not write."""

import json

import pytest


@pytest.fixture(scope="session")
def stix_folder(shared_data):
    return shared_data / "schemas" / "stix2_json_schemas"


@pytest.fixture(scope="session")
def schema_errors(stix_folder):
    """A function that tells what the OASIS schemas say against an object."""
    jsonschema = pytest.importorskip("jsonschema", reason="the extra `dev` brings it")
    from referencing import Registry, Resource

    pairs, by_type = [], {}
    for file in sorted((stix_folder / "schemas").rglob("*.json")):
        schema = json.loads(file.read_text())
        pairs.append((schema["$id"], Resource.from_contents(schema)))
        by_type[file.stem] = schema
    registry = Registry().with_resources(pairs)
    validators = {name: jsonschema.Draft202012Validator(schema, registry=registry) for name, schema in by_type.items()}
    return lambda raw: [error.message for error in validators[raw["type"]].iter_errors(raw)]
