"""PostgreSQL and MariaDB of the tests' own: Debian's binaries in a folder of their own, reached by a socket in it.

Neither is ever the machine's. Both refuse to run as root, so they run as the user that their package made.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from nova_lite.db.engine import Database, Tx
from nova_lite.db.schema import metadata

START_S = 60.0


class Server:
    """A database server that can be frozen, ended and started again."""

    def __init__(self, admin_url: str, url: str, *, command: list[object], user: str | None, folder: Path) -> None:
        """Nothing runs yet."""
        self._admin_url = admin_url
        self._url = url
        self._command = [str(word) for word in command]
        self._user = user
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, user=self._user, cwd=self._folder, start_new_session=True
            )
        self._await_answer()

    def signal(self, which: signal.Signals) -> None:
        """Send a signal: freezing and going on is for all of its processes, everything else for the first one."""
        if which in (signal.SIGSTOP, signal.SIGCONT):
            for pid in self._pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, which)
        else:
            self._process.send_signal(which)

    def end(self, timeout_s: float = 20.0) -> None:
        """Wait until it has ended; after that time its power is cut."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def close(self) -> None:
        """End it in order, if it runs."""
        self.signal(signal.SIGCONT)
        self._process.terminate()
        self.end()

    def _pids(self) -> list[int]:
        """Give it and its children; PostgreSQL's are sessions of their own."""
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children")
        return [first, *(int(word) for word in (children.read_text().split() if children.exists() else ()))]

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its URL, remove it in the end."""
        name = self._new()
        try:
            yield self._url.format(name=name)
        finally:
            force = " WITH (FORCE)" if self._url.startswith("postgresql") else ""
            self.say(f"DROP DATABASE {name}{force}")

    def keep_database(self) -> str:
        """Make an empty database that lasts as long as the server; give its URL."""
        return self._url.format(name=self._new())

    def _new(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.say(f"CREATE DATABASE {name}")
        return name

    def say(self, statement: str) -> None:
        """Run a statement as the administrator."""
        engine = sa.create_engine(self._admin_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def _await_answer(self) -> None:
        """Wait until it answers. Raises: RuntimeError with the end of its log when it does not."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.say("SELECT 1")
            except sa.exc.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the server did not start:\n{self._log.read_text(errors='replace')[-3000:]}")


class Kept:
    """One database for many tests, empty for each: a new one takes a second to make."""

    def __init__(self, url: str, make_tables: Callable[[Database], object]) -> None:
        """`url` is an empty database."""
        self._url = url
        self._database = Database(url)
        make_tables(self._database)

    def empty(self) -> str:
        """Delete all rows; give the URL."""
        self._database.transact(_delete_all)
        return self._url


def _delete_all(tx: Tx) -> None:
    for table in reversed(metadata().sorted_tables):
        tx.execute(table.delete())


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """Run PostgreSQL while the block lasts."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL's server is not installed (apt: postgresql)")
    binaries, user = found[-1].parent, _user("postgres")
    with _folder(user) as folder:
        data = folder / "data"
        command = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "nova", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder, timeout=START_S)
        server = Server(
            f"postgresql+psycopg://nova@/postgres?host={folder}",
            f"postgresql+psycopg://nova@/{{name}}?host={folder}",
            command=[binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F"],
            user=user,
            folder=folder,
        )
        with _running(server):
            yield server


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """Run MariaDB while the block lasts."""
    binary = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        pytest.skip("MariaDB's server is not installed (apt: mariadb-server)")
    user = _user("mysql")
    with _folder(user) as folder:
        data, socket = folder / "data", folder / "s"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True, user=user, cwd=folder, timeout=START_S)
        command = [binary, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
        # 2: no fsync, but a commit outlives the process
        command += [f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"]
        url = f"mysql+pymysql://root@localhost/{{name}}?unix_socket={socket}"
        server = Server(url.format(name="mysql"), url, command=command, user=user, folder=folder)
        with _running(server):
            yield server


def _user(name: str) -> str | None:
    """Give the user to become, or None where we are not root and cannot."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(name)
    except KeyError:
        pytest.skip(f"there is no user {name} to run the server as")
    return name


@contextlib.contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nl-db-", dir="/tmp"))  # short: a socket's path has 107 characters at most
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.close()
