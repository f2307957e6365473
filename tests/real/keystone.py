"""A Keystone of the tests' own: PyPI's, under gunicorn on 127.0.0.1, with SQLite, fernet tokens and `keystone-manage bootstrap`.

`./run-tests` installs it into `.venv-keystone`, never beside the product: it brings Flask and three dozen other packages.
KEYSTONE_VENV names another environment that has keystone and gunicorn.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3
from real.rabbit import free_ports
from real.under_gunicorn import UnderGunicorn

TOP = Path(__file__).parents[2]
PASSWORD = "keystone-admin"
REGION = "RegionOne"
CONFIGURATION = "keystone.conf"


def environment_folder() -> Path | None:
    """Find the virtual environment that has Keystone."""
    folder = Path(os.environ.get("KEYSTONE_VENV") or TOP / ".venv-keystone")
    programs = (folder / "bin/keystone-manage", folder / "bin/gunicorn")
    return folder if all(program.exists() for program in programs) else None


def _configure(home: Path, token_lifetime_s: int) -> None:
    (home / CONFIGURATION).write_text(
        f"[DEFAULT]\nuse_stderr = true\n"
        f"[database]\nconnection = sqlite:///{home}/keystone.db\n"
        f"[token]\nexpiration = {token_lifetime_s}\n"
        f"[fernet_tokens]\nkey_repository = {home}/fernet\n"
        f"[fernet_receipts]\nkey_repository = {home}/fernet\n"
        f"[credential]\nkey_repository = {home}/credential\n"
    )


def _template() -> Path:
    """Give a folder with the database, keys and first user of a new Keystone; made once, as it takes half a minute."""
    environment = environment_folder()
    release = next(environment.glob("lib/python3*/site-packages/keystone-*.dist-info")).stem
    folder = environment / f"template-{release}"
    with (environment / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=environment, prefix="template-") as making:
                home = Path(making) / "home"
                _set_up(home)
                home.rename(folder)
    return folder


def _set_up(home: Path) -> None:
    home.mkdir()
    _configure(home, 3600)
    owner = ("--keystone-user", str(os.geteuid()), "--keystone-group", str(os.getegid()))
    for folder, command in (("fernet", "fernet_setup"), ("credential", "credential_setup")):
        (home / folder).mkdir(mode=0o700)
        _manage(home, command, *owner)
    _manage(home, "db_sync")
    addresses = [
        word for kind in ("public", "internal", "admin") for word in (f"--bootstrap-{kind}-url", "http://127.0.0.1/v3")
    ]
    _manage(home, "bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION, *addresses)
    (home / CONFIGURATION).unlink()


def _manage(home: Path, *arguments: str) -> None:
    command = [str(environment_folder() / "bin/keystone-manage"), "--config-file", str(home / CONFIGURATION), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


class Keystone(UnderGunicorn):
    """One Keystone. `start` and `stop` keep its data; `remove` takes everything away."""

    def __init__(self, *, workers: int = 1, threads: int = 8, token_lifetime_s: int = 3600) -> None:
        """Make the database, the keys and the first user; nothing runs yet."""
        self.home = Path(tempfile.mkdtemp(prefix="nova-lite-keystone-"))
        self.port = free_ports(1)[0]
        self.programs = environment_folder() / "bin"
        self._administrator: session.Session | None = None
        self._file = self.home / CONFIGURATION
        # gunicorn reads this file where it starts; Keystone takes the words of the command line for its own
        (self.home / "gunicorn.conf.py").write_text(
            f"wsgi_app = 'keystone.wsgi.api:application'\nbind = '127.0.0.1:{self.port}'\ncontrol_socket_disable = True\n"
            f"workers = {workers}\nthreads = {threads}\nworker_class = 'gthread'\n"
        )
        self.configure(token_lifetime_s)
        self._take_template()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.home}/keystone.db"

    def configure(self, token_lifetime_s: int) -> None:
        """Write the configuration; it counts from the next start on."""
        _configure(self.home, token_lifetime_s)

    def _take_template(self) -> None:
        """Begin as every Keystone of the tests does, at an address of its own."""
        shutil.copytree(_template(), self.home, dirs_exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.home / "keystone.db")) as database, database:
            database.execute("UPDATE endpoint SET url = ?", (self.url,))

    def variables(self) -> dict[str, str]:
        """Say where its configuration is."""
        return {"OS_KEYSTONE_CONFIG_FILES": str(self._file)}

    @property
    def ping(self) -> str:
        return self.url

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- use -----------------------------------------------------------------------------------------------------------

    def entry(self, user: str = "admin", password: str = PASSWORD, project: str = "admin") -> dict[str, Any]:
        """Give a user's entry for clouds.yaml."""
        auth = {
            "auth_url": self.url,
            "username": user,
            "password": password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return {"auth": auth, "region_name": REGION, "identity_api_version": 3}

    def session(self, **changes: str) -> session.Session:
        """Log a user in."""
        return session.Session(auth=v3.Password(**self.entry(**changes)["auth"]), timeout=30)

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Ask as the administrator; give the answer's JSON."""
        self._administrator = self._administrator or self.session()  # each login costs a hash
        answer = self._administrator.request(self.url + path, method, json=body or None)
        return answer.json() if answer.content else None

    def add_member(self, name: str, password: str, role: str = "member") -> tuple[str, str]:
        """Make a user with a role in a project of its name; give the ids of both."""
        project = self.call("POST", "/projects", project={"name": name, "domain_id": "default"})["project"]["id"]
        user = self.call("POST", "/users", user={"name": name, "domain_id": "default", "password": password})["user"]["id"]
        role_id = self.call("GET", f"/roles?name={role}")["roles"][0]["id"]
        self.call("PUT", f"/projects/{project}/users/{user}/roles/{role_id}")
        return user, project
