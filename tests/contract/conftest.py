"""A real PostgreSQL server for the contract suites, one for the whole run."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@dataclass
class PostgresServer:
    """A server in a folder of its own, reached over a socket in that folder alone."""

    folder: Path
    binaries: Path
    as_user: tuple[str, ...]

    @property
    def dsn(self) -> str:
        return f"postgresql://phalanx@/postgres?host={self.folder}"

    def tool(self, name: str, *arguments: str | Path, check: bool = True) -> str:
        command = [*self.as_user, self.binaries / name, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if check and done.returncode:
            raise RuntimeError(f"{name} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def own(self, folder: Path) -> None:
        """Let the server write in ``folder``."""
        owner = self.folder.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=on -c max_connections=60"
        log = self.folder / "log"
        self.tool("pg_ctl", "start", "-w", "-s", "-D", self.folder / "data", "-l", log, "-o", options)

    def stop(self, how: str = "fast") -> None:
        self.tool("pg_ctl", "stop", "-w", "-s", "-m", how, "-D", self.folder / "data", check=False)

    def sql(self, statement: str) -> str:
        return self.tool("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, self.dsn)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    if not _BINARIES:
        pytest.skip("PostgreSQL is not installed (Debian package: postgresql)")
    as_user: tuple[str, ...] = ()
    with contextlib.ExitStack() as stack:
        # Not pytest's own folder: another user may not enter that, and a socket's path must be short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phalanx-pg-")))
        if os.geteuid() == 0:
            # The server refuses to run as root.
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
            as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        server = PostgresServer(folder, _BINARIES[-1], as_user)
        options = ["-N", "-A", "trust", "-U", "phalanx", "-E", "UTF8", "--locale=C.UTF-8"]
        server.tool("initdb", "-D", folder / "data", *options)
        server.start()
        stack.callback(server.stop, "immediate")
        yield server
