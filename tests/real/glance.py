"""A Glance of PyPI's, under gunicorn on 127.0.0.1, with SQLite, a folder for images and nobody to ask who somebody is.

It has an environment of its own, `.venv-glance`, which `ensure_environment` makes where it is missing. GLANCE_VENV names another one
that has glance and gunicorn.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from real.rabbit import free_ports
from real.under_gunicorn import UnderGunicorn

TOP = Path(__file__).parents[2]
PACKAGES = ("glance>=30", "gunicorn>=27.0.1")
RULES = ("default", "add_image", "get_image", "get_images", "delete_image", "modify_image", "upload_image", "download_image")


def environment_folder() -> Path:
    return Path(os.environ.get("GLANCE_VENV") or TOP / ".venv-glance")


def ensure_environment() -> Path | None:
    """Install Glance where it is not; None when that cannot be done here."""
    folder = environment_folder()
    if all((folder / "bin" / name).exists() for name in ("glance-manage", "gunicorn")):
        return folder
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(folder / "bin/pip"), "install", "-q", *PACKAGES]):
        if subprocess.run(command, check=False, timeout=900).returncode != 0:
            return None
    return folder


class Glance(UnderGunicorn):
    """One Glance in a folder; `stop` ends it. Everybody is its administrator."""

    def __init__(self, home: Path, *, threads: int = 16) -> None:
        """Make the database; nothing runs yet."""
        self.home = home
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = home / "glance.db"
        self.programs = environment_folder() / "bin"
        home.mkdir(parents=True, exist_ok=True)
        (home / "images").mkdir()
        shutil.copy(environment_folder() / "etc/glance/glance-api-paste.ini", home)
        (home / "glance-api.conf").write_text(
            f"[DEFAULT]\nenabled_backends = kept:file\nuse_stderr = true\nshow_multiple_locations = false\nlimit_param_default = 1000\n"
            f"api_limit_max = 1000\nnode_staging_uri = file://{home}/staging\n"
            f"[os_glance_staging_store]\nfilesystem_store_datadir = {home}/staging\n"
            f"[os_glance_tasks_store]\nfilesystem_store_datadir = {home}/tasks\n"
            f"[glance_store]\ndefault_backend = kept\n[kept]\nfilesystem_store_datadir = {home}/images\n"
            f"[database]\nconnection = sqlite:///{self.database}\n"
            f"[oslo_policy]\npolicy_file = {home}/policy.yaml\n"
            f"[paste_deploy]\nconfig_file = {home}/glance-api-paste.ini\n"
        )
        (home / "policy.yaml").write_text("".join(f'"{rule}": "@"\n' for rule in RULES))  # nobody has a role without a login
        (home / "gunicorn.conf.py").write_text(
            f"wsgi_app = 'glance.common.wsgi_app:init_app()'\nbind = '127.0.0.1:{self.port}'\ncontrol_socket_disable = True\n"
            f"workers = 1\nthreads = {threads}\nworker_class = 'gthread'\ntimeout = 600\n"
        )
        command = [str(self.programs / "glance-manage"), "--config-file", str(home / "glance-api.conf"), "db_sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=self._environment())
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.variables()}

    def variables(self) -> dict[str, str]:
        """Say where its configuration is."""
        return {"OS_GLANCE_CONFIG_DIR": str(self.home)}

    @property
    def ping(self) -> str:
        return f"{self.url}/v2/images?limit=1"
