"""What every test can rely on."""

import os
from pathlib import Path

import hypothesis
import pytest

# No deadline: a slow machine is not a failure. Derandomised: a run of the suite is repeatable,
# and `HYPOTHESIS_PROFILE=search` looks for new examples.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public test data, which lies beside the checkout and is not part of it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public test data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _no_settings_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PHALANX_") and not name.startswith("PHALANX_TEST_")]:
        monkeypatch.delenv(name)


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and "gpu" not in report.keywords:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    # A skipped test proves nothing. Where everything can be installed, nothing may be skipped
    # but what needs a GPU; elsewhere each skip names its reason (`-ra`).
    if os.environ.get("CI") and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") and _skipped:
        terminalreporter.section("skipped in CI, where nothing may be", red=True)
        for nodeid in _skipped:
            terminalreporter.line(nodeid)
