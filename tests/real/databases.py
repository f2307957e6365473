"""PostgreSQL and MariaDB of the tests' own: Debian's binaries in a folder of their own, reached by a socket in it.

Neither is ever the machine's. Both refuse to run as root, so they run as the user that their package made.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
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
    """A running database server."""

    def __init__(self, admin_url: str, url: str) -> None:
        self._admin_url = admin_url
        self._url = url

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its URL, remove it in the end."""
        name = self._new()
        try:
            yield self._url.format(name=name)
        finally:
            force = " WITH (FORCE)" if self._url.startswith("postgresql") else ""
            self._say(f"DROP DATABASE {name}{force}")

    def keep_database(self) -> str:
        """Make an empty database that lasts as long as the server; give its URL."""
        return self._url.format(name=self._new())

    def _new(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._say(f"CREATE DATABASE {name}")
        return name

    def _say(self, statement: str) -> None:
        engine = sa.create_engine(self._admin_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def await_answer(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until it answers. Raises: RuntimeError with the end of its log when it does not."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and process.poll() is None:
            try:
                self._say("SELECT 1")
            except sa.exc.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


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
        data, log = folder / "data", folder / "log"
        command = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "nova", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder, timeout=START_S)
        server = Server(
            f"postgresql+psycopg://nova@/postgres?host={folder}", f"postgresql+psycopg://nova@/{{name}}?host={folder}"
        )
        with _running([binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F"], user, folder, log) as process:
            server.await_answer(process, log)
            yield server


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """Run MariaDB while the block lasts."""
    binary = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        pytest.skip("MariaDB's server is not installed (apt: mariadb-server)")
    user = _user("mysql")
    with _folder(user) as folder:
        data, log, socket = folder / "data", folder / "log", folder / "s"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True, user=user, cwd=folder, timeout=START_S)
        command = [binary, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
        command += [f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]
        url = f"mysql+pymysql://root@localhost/{{name}}?unix_socket={socket}"
        server = Server(url.format(name="mysql"), url)
        with _running(command, user, folder, log) as process:
            server.await_answer(process, log)
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
def _running(command: list[object], user: str | None, folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [str(word) for word in command]
    with log.open("wb") as output, subprocess.Popen(words, stdout=output, stderr=output, user=user, cwd=folder) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
