"""Other shapes in which Windows events come as JSON, brought into the flat one.

- The XML of an event as JSON: ``{"Event": {"System": …, "EventData": …}}``, attributes under ``#attributes``
  (evtx_dump, Chainsaw, Hayabusa) or with ``@`` before their names (xmltodict and what is made with it).
- Wazuh: ``win.system`` and ``win.eventdata``, alone or under ``data``, names with a small first letter.

What stands beside the event keeps its names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# Wazuh's names for what every event has, under the names of the flat form.
_WAZUH = {
    "channel": "Channel", "computer": "Hostname", "eventID": "EventID", "eventRecordID": "RecordNumber",
    "processID": "ExecutionProcessID", "providerName": "SourceName", "systemTime": "TimeCreated",
}  # fmt: skip
_SYSTEM = {"Computer": "Hostname", "EventRecordID": "RecordNumber"}
# Attributes of the event's XML, by element.
_ATTRIBUTES = {
    ("Execution", "ProcessID"): "ExecutionProcessID",
    ("Execution", "ThreadID"): "ThreadID",
    ("Provider", "Guid"): "ProviderGuid",
    ("Provider", "Name"): "SourceName",
    ("Security", "UserID"): "UserID",
    ("TimeCreated", "SystemTime"): "TimeCreated",
}


def is_other_shape(record: Mapping[str, Any]) -> bool:
    """Whether ``flat_shape`` knows it."""
    return _of_xml(record) is not None or _of_wazuh(record) is not None


def flat_shape(record: dict[str, Any]) -> dict[str, Any]:
    """The event with Windows' names at its top; any other record as it is."""
    event = _of_xml(record)
    if event is not None:
        rest = {name: value for name, value in record.items() if name != "Event"}
        return rest | dict(_system(event["System"])) | _data(event)
    win = _of_wazuh(record)
    if win is None:
        return record
    rest = {name: value for name, value in record.items() if name not in ("data", "win")}
    beside = record.get("data")
    if beside.__class__ is dict:
        rest |= {f"data.{name}": value for name, value in beside.items() if name != "win"}
    rest |= {f"win.{name}": value for name, value in win.items() if name not in ("system", "eventdata")}
    system = {_WAZUH.get(name) or _capital(name): value for name, value in win["system"].items()}
    told = win.get("eventdata")
    return rest | system | ({_capital(name): value for name, value in told.items()} if told.__class__ is dict else {})


def _of_xml(record: Mapping[str, Any]) -> dict[str, Any] | None:
    event = record.get("Event")
    return event if isinstance(event, dict) and event.get("System").__class__ is dict else None


def _of_wazuh(record: Mapping[str, Any]) -> dict[str, Any] | None:
    data = record.get("data")
    win = record.get("win") if "win" in record else data.get("win") if isinstance(data, dict) else None
    return win if isinstance(win, dict) and win.get("system").__class__ is dict else None


def _system(system: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in system.items():
        if value.__class__ is not dict:
            yield _SYSTEM.get(name, name), value
            continue
        text, attributes = _parts(value)
        for attribute, held in attributes.items():
            yield _ATTRIBUTES.get((name, attribute), f"{name}.{attribute}"), held
        if text is not None:
            yield _SYSTEM.get(name, name), text


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    """What is in EventData or UserData, named values under their names."""
    found: dict[str, Any] = {}
    for part in ("EventData", "UserData"):
        held = event.get(part)
        if held.__class__ is not dict:
            continue
        for name, value in held.items():
            if name in ("#attributes", "@xmlns"):
                continue
            named = dict(_named(value)) if name == "Data" else {}
            if named:
                found |= named
            elif part == "UserData" and value.__class__ is dict:
                found |= {inner: one for inner, one in value.items() if not inner.startswith(("#", "@"))}
            else:
                found[name] = value
    return found


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    """``<Data Name="Image">…</Data>``, as a list of elements; nothing when they have no names."""
    for one in value if value.__class__ is list else [value]:
        if one.__class__ is dict:
            text, attributes = _parts(one)
            if attributes.get("Name").__class__ is str:
                yield attributes["Name"], text


def _parts(element: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """An element's text and its attributes."""
    attributes = dict(element["#attributes"]) if element.get("#attributes").__class__ is dict else {}
    attributes |= {name[1:]: value for name, value in element.items() if name.startswith("@")}
    return element.get("#text"), attributes


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
