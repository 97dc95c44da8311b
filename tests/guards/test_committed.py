"""Nothing that is committed names the machine it was made on or the registry it was fetched from.

A lock that records addresses, a path from somebody's home or an index address in a script works in
one place only. Hashes are what installation trusts; addresses are the installer's own settings.
"""

import re
from pathlib import Path

import pytest

# Joined here, so that this file itself names none.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"),
                                       ("yarnpkg", "com"), ("conda", "anaconda", "org"))]  # fmt: skip
MIRRORS = r"(?:artifactory|jfrog|codeartifact|nexus)[\w.:-]*/[\w./-]*(?:simple|npm|repository)\b"
REGISTRY = re.compile("|".join([*map(re.escape, HOSTS), MIRRORS, r"--(?:extra-)?index-url[ =]https?:"]))
# Where people keep checkouts and tools keep their files. A path that an attacker's command line or a log
# line may well show (/home/bob/.ssh, /home/alice/.bashrc) is not among them.
HOME = re.compile(r"(?<![\w.~-])/(?:root|(?:home|Users)/[\w.-]+)/"
                  r"(?:\.pyenv|\.cache|\.local|\.venv|src|code|projects|repos|git)/")  # fmt: skip
BINARY = {".png", ".ico", ".woff2", ".bin", ".gz"}
EXEMPT = {"tests/guards/test_committed.py"}  # for what it plants below


def traces(path: str, text: str, checkout: Path) -> list[str]:
    """What in a file ties it to a registry, to a person's machine or to where this checkout lies."""
    # A checkout right under the root (/app, /src) has a name that a container file may well contain.
    places = [str(place) for place in (checkout, checkout.parent / "shared") if len(place.parts) > 2]
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := REGISTRY.search(line):
            found.append(f"{path}:{number}: names a registry: {match[0]}")
        if match := HOME.search(line):
            found.append(f"{path}:{number}: names a place on one machine: {match[0]}")
        found += [f"{path}:{number}: names a place on this machine: {place}" for place in places if place in line]
    return found


def read(file: Path) -> str:
    return file.read_text("utf-8", errors="replace")


def test_committed_files_work_anywhere(repository, committed, refuse):
    texts = [name for name in committed if Path(name).suffix not in BINARY and name not in EXEMPT]
    assert "pyproject.toml" in texts
    refuse(line for name in texts for line in traces(name, read(repository / name), repository))


def test_the_lock_holds_hashes_and_no_address(repository):
    lock = (repository / "requirements.lock").read_text("utf-8")
    pins = re.findall(r"^[\w.\[\]-]+==\S+", lock, re.MULTILINE)
    assert len(pins) > 50
    assert "://" not in lock
    unhashed = [pin for pin, rest in zip(pins, re.split(r"^[\w.\[\]-]+==", lock, flags=re.MULTILINE)[1:], strict=True)
                if "--hash=sha256:" not in rest]  # fmt: skip
    assert not unhashed


@pytest.mark.parametrize(
    "line",
    [
        f"https://files.{HOSTS[1]}/packages/x.whl",
        f'resolved "https://registry.{HOSTS[2]}/x"',
        "pip install --index-url https://example.net/simple x",
        "https://artifactory.example.net/api/npm/npm",
        "data = '/home/alice/" + "projects/phalanx/data'",
        "/opt/checkouts/phalanx/docs",
        "/opt/checkouts/shared/data",
    ],
)
def test_a_trace_is_found(line):
    assert len(traces("x.md", f"first\n{line}\n", Path("/opt/checkouts/phalanx"))) == 1


def test_log_lines_and_relative_paths_are_no_trace():
    text = "/home/bob/.ssh/authorized_keys\n/home/alice/.bashrc\n../shared/data\n"
    assert not traces("x.md", text, Path("/opt/checkouts/phalanx"))
    assert not traces("Containerfile", "WORKDIR /app\n", Path("/app"))
