"""`phalanx doctor`: what works on this machine, what is missing, and exactly how to fix it."""

import importlib.util
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from phalanx.cli._client import ca_option
from phalanx.cli._exits import Exit
from phalanx.cli._output import json_option, print_json
from phalanx.cli.node._settings import SettingsSource

_MIN_FREE_GIB = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``needed`` false means that something optional is missing."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True


# extra → (module that shows it is there, distribution whose version is shown, what it is for)
_EXTRAS = {
    "postgres": ("asyncpg", "asyncpg", "state in PostgreSQL"),
    "otlp": (
        "opentelemetry.proto",
        "opentelemetry-proto",
        "export to an OTLP collector",
    ),
    "keyring": ("keyring", "keyring", "the vault's root in the keyring of the operating system"),
    "pkcs11": ("pkcs11", "python-pkcs11", "the vault's root in an HSM"),
    "timestamps": ("rfc3161_client", "rfc3161-client", "checkpoints stamped by an RFC 3161 authority"),
    "fndsa": ("py_fn_dsa", "py-fn-dsa", "signatures by FN-DSA, whose standard is a draft"),
    "learning": ("lightgbm", "lightgbm", "training of models, and the floors of `phalanx bench detectors`"),
    "exact": ("highspy", "highspy", "reserved for exact answers; the tests compare the balancer with HiGHS"),
    "matching": ("hyperscan", "hyperscan", "thousands of rules looked for in one pass; without it one after another"),
    "cluster": ("nats", "nats-py", "several nodes over NATS"),
    "ibm": ("qiskit", "qiskit", "real machines of IBM, and the simulator `simulators.aer`"),
    "google": (
        "cirq_google",
        "cirq-google",
        "circuits of Cirq, fresh calibrations of Google, and jobs on its processors",
    ),
    "braket": ("braket", "amazon-braket-sdk", "circuits of Braket"),
    "pennylane": ("pennylane", "pennylane", "circuits of PennyLane, and the simulator `simulators.lightning`"),
    "annealing": ("dwave.samplers", "dwave-samplers", "annealing on the topology of a D-Wave machine"),
    "pasqal": ("pulser", "pulser-core", "real machines of Pasqal, and gates on neutral atoms pulse by pulse"),
    "qir": ("pyqir", "pyqir", "circuits in QIR bitcode"),
    "qsharp": ("qdk", "qdk", "programs in Q#"),
    "qrmi": ("qrmi", "qrmi", "resources that a scheduler hands out through QRMI"),
    "stim": ("stim", "stim", "circuits of Stim, and the simulator `simulators.stim`"),
}

# Groups in which only others register something: what comes with the package needs no entry point there.
_OTHERS_ONLY = frozenset({"phalanx.policies", "phalanx.operations"})


@click.command(short_help="Say what works on this machine, what is missing, and exactly how to fix it.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("phalanx-data"),
    show_default=True,
    help="Where a node would keep its data.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="PHALANX_CONFIG",
    show_envvar=True,
    help="Settings file of the node whose rules are checked (default: phalanx.toml if there is one).",
)
@click.option("--url", default="", help="Also ask this node, at an https address, which key exchange it negotiates.")
@ca_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context, data_dir: Path, config_file: Path | None, url: str, ca: Path | None, as_json: bool
) -> None:
    """Say what works on this machine, what is missing, and exactly how to fix it.

    Fails only when something is missing that a node cannot do without.
    """
    checks = [check for probe in _PROBES for check in probe(data_dir)]
    checks.append(_rules(config_file))
    if url:
        checks.append(_listener(url, ca))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            mark, color = ("✓", "green") if check.ok else ("✗", "red") if check.needed else ("–", "yellow")
            click.secho(f" {mark} ", fg=color, nl=False)
            click.echo(f"{check.name:<24} {check.found}" + (f"\n{'':27} fix: {check.fix}" if check.fix else ""))
    if any(check.needed and not check.ok for check in checks):
        ctx.exit(Exit.FAILED)


def _python(data_dir: Path) -> list[Check]:  # noqa: ARG001 - every probe takes the same
    good = sys.version_info >= (3, 11)
    return [Check("Python", good, platform.python_version(), "" if good else "install Python 3.11 or newer")]


def _sqlite(data_dir: Path) -> list[Check]:  # noqa: ARG001
    good = sqlite3.sqlite_version_info >= (3, 37)
    return [
        Check("SQLite", good, sqlite3.sqlite_version, "" if good else "use a Python built with SQLite 3.37 or newer")
    ]


def _disk(data_dir: Path) -> list[Check]:
    place = data_dir.resolve()
    while not place.exists():
        place = place.parent
    free_gib = shutil.disk_usage(place).free / (1 << 30)
    good = free_gib >= _MIN_FREE_GIB
    fix = "" if good else f"free {_MIN_FREE_GIB} GiB, or choose another folder with --data-dir"
    return [Check("disk space", good, f"{free_gib:.1f} GiB free at {place}", fix)]


def _crypto(data_dir: Path) -> list[Check]:  # noqa: ARG001
    from phalanx.core import PhalanxError
    from phalanx.crypto import ED25519_ML_DSA_65, SigningKey

    try:
        key = SigningKey.generate(ED25519_ML_DSA_65)
        key.public.verify(b"probe", key.sign(b"probe"))
    except (PhalanxError, ImportError) as error:
        return [Check("post-quantum signatures", ok=False, found=str(error), fix="pip install --upgrade cryptography")]
    return [
        Check(
            "post-quantum signatures",
            ok=True,
            found=f"{ED25519_ML_DSA_65} sign and verify (cryptography {version('cryptography')})",
        )
    ]


def _tls(data_dir: Path) -> list[Check]:  # noqa: ARG001
    from phalanx.adapters.tls import POST_QUANTUM_GROUP, best_group
    from phalanx.cli.node._tls import tls_summary

    good = best_group() == POST_QUANTUM_GROUP
    fix = "" if good else "pip install --upgrade cryptography pyopenssl"
    return [Check("TLS listener", good, tls_summary(), fix, needed=False)]


def _listener(url: str, ca: Path | None) -> Check:
    """What the node at ``url`` negotiates with the best that this machine offers."""
    from urllib.parse import urlsplit

    from phalanx.adapters.tls import probe_tls
    from phalanx.core import InvalidInput, Unavailable

    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port or 443
    except ValueError as error:
        raise InvalidInput("--url", str(error)) from error
    if split.scheme != "https" or not host:
        raise InvalidInput("--url", f"{url!r} is no https address: without TLS there is nothing to agree to")
    name = f"TLS of {host}:{port}"
    try:
        session = probe_tls(host, port, ca)
    except Unavailable as error:
        return Check(name, ok=False, found=error.reason, fix=error.hint)
    said = f"{session.version}, {session.cipher}, key exchange {session.group or 'not told'}"
    fix = "" if session.quantum_safe else "upgrade the node's `cryptography`: what is recorded today can be read later"
    return Check(name, session.quantum_safe, said, fix, needed=False)


def _kernels(data_dir: Path) -> list[Check]:  # noqa: ARG001
    from phalanx.adapters.processes import keep_user_kernels, missing_kernels
    from phalanx.core import kernel_folder

    keep_user_kernels()
    missing = missing_kernels()
    found = f"not compiled yet: {', '.join(missing)}" if missing else f"compiled, in {kernel_folder()}"
    return [Check("kernels", not missing, found, "phalanx kernels compile" if missing else "", needed=False)]


def _rules(config_file: Path | None) -> Check:
    """Whether every rule file that a node with these settings reads is in force."""
    from phalanx.core import PhalanxError, counted
    from phalanx.intel import load_rules

    try:
        folder = SettingsSource(config_file, None, None, ()).load().settings.intake.rules_dir
        loaded = load_rules(folder)
    except PhalanxError as error:
        return Check("rules", ok=False, found=error.message, fix=error.hint or "`phalanx config show`")
    bad = [one for one in loaded.refused if not one.unsupported]
    told = f"{counted(len(loaded), 'rule')} in force"
    if not bad:
        return Check("rules", ok=True, found=told, needed=False)
    told += f", {counted(len(bad), 'invalid file')} left out: {bad[0].file}: {bad[0].reason}"
    return Check(
        "rules", ok=False, found=told, fix=f"mend what `phalanx intel rules check {folder}` names", needed=False
    )


def _cluster(data_dir: Path) -> list[Check]:  # noqa: ARG001
    from phalanx.adapters.nats import nats_server_version
    from phalanx.core import Unavailable

    try:
        return [Check("NATS server", ok=True, found=nats_server_version(), needed=False)]
    except Unavailable as error:
        told = f"{error.reason} (for `phalanx up --cluster`)"
        return [Check("NATS server", ok=False, found=told, fix="pip install 'phalanx[cluster]'", needed=False)]


def _plugins(data_dir: Path) -> list[Check]:  # noqa: ARG001
    from phalanx.node import GROUPS, registered

    checks = []
    for group in GROUPS:
        names = [entry.name for entry in registered(group)]
        good = bool(names) or group in _OTHERS_ONLY
        none = "none besides what is built in" if good else "none"
        checks.append(Check(f"plug-ins {group}", good, ", ".join(names) or none, "" if good else "reinstall phalanx"))
    return checks


def _extras(data_dir: Path) -> list[Check]:  # noqa: ARG001
    checks = []
    for extra, (module, distribution, purpose) in _EXTRAS.items():
        try:
            there = importlib.util.find_spec(module) is not None
            found = f"{distribution} {version(distribution)}: {purpose}"
        except (ModuleNotFoundError, PackageNotFoundError):
            there, found = False, ""
        if there:
            checks.append(Check(f"extra {extra}", ok=True, found=found, needed=False))
        else:
            checks.append(
                Check(
                    f"extra {extra}",
                    ok=False,
                    found=f"not installed ({purpose})",
                    fix=f"pip install 'phalanx[{extra}]'",
                    needed=False,
                )
            )
    return checks


_PROBES: tuple[Callable[[Path], list[Check]], ...] = (
    _python,
    _sqlite,
    _disk,
    _crypto,
    _tls,
    _kernels,
    _plugins,
    _extras,
    _cluster,
)
