"""HOUSE sections 1 and 2: rooms, and which foreign thing lives where."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys

import pytest

# a library -> the only places that may import it; `cli` puts things together and may see most, but not all
HOMES = {
    "falcon": ("nova_lite/api/", "nova_lite/compute/wiring/metadata"),
    "gunicorn": ("nova_lite/api/",),
    "oslo_messaging": ("nova_lite/rpc/",),
    "kombu": ("nova_lite/rpc/",),
    "amqp": ("nova_lite/rpc/",),
    "libvirt": ("nova_lite/compute/virt/libvirt/", "nova_lite/cli/"),
    "sqlalchemy": ("nova_lite/db/",),
    "alembic": ("nova_lite/db/migrate.py", "nova_lite/db/migrations/"),
    "oslo_policy": ("nova_lite/identity/", "nova_lite/api/"),
    "click": ("nova_lite/cli/",),
    "rich": ("nova_lite/cli/",),
    "supervisor": ("nova_lite/cli/",),
    "websockets": ("nova_lite/console/",),
    "pyroute2": ("nova_lite/compute/", "nova_lite/cli/"),
}
LAST_RESORT = ("nova_lite/durable/runner.py", "nova_lite/api/faults.py", "nova_lite/rpc/")
BANNED_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
ALLOWED_BASE = "nova_lite/image/stores/base.py"


def test_rooms_import_only_from_lower_layers(top):
    command = shutil.which("lint-imports") or f"{sys.prefix}/bin/lint-imports"

    done = subprocess.run([command, "--no-cache"], cwd=top, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", HOMES)
def test_library_is_imported_only_in_its_home(sources, library):
    strays = [
        f"{source.name}:{line}"
        for source in sources
        for line, module in source.imports()
        if module.split(".")[0] == library and not source.name.startswith(HOMES[library])
    ]

    assert not strays


def test_init_files_hold_only_a_docstring(sources):
    full = [
        s.name for s in sources if s.path.name == "__init__.py" and (len(s.tree.body) != 1 or not ast.get_docstring(s.tree))
    ]

    assert not full


def test_no_file_is_named_after_nothing_in_particular(sources):
    vague = [
        source.name
        for source in sources
        if BANNED_WORDS & set(source.path.stem.split("_")) or (source.path.stem == "base" and source.name != ALLOWED_BASE)
    ]

    assert not vague


def test_folders_are_at_most_three_deep(sources):
    deep = [source.name for source in sources if source.name.count("/") - 1 > 3]

    assert not deep


def test_exceptions_are_caught_whole_only_at_the_last_resort(sources):
    broad = [
        f"{source.name}:{node.lineno}"
        for source in sources
        if not source.name.startswith(LAST_RESORT)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]

    assert not broad


def test_only_the_command_line_prints(sources):
    prints = [
        f"{source.name}:{node.lineno}"
        for source in sources
        if source.room != "cli"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]

    assert not prints


def test_no_subprocess_goes_through_a_shell(sources):
    shells = [
        f"{source.name}:{node.value.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and not node.value.value)
    ]

    assert not shells


@pytest.mark.parametrize("daemon", ["api", "conductor", "scheduler", "compute", "console"])
def test_daemon_does_not_load_what_only_the_command_line_needs(daemon, top):
    code = (
        f"import sys, nova_lite.{daemon}.daemon; "
        "bad = {'alembic', 'rich', 'click', 'supervisor'} & {name.split('.')[0] for name in sys.modules}; "
        "sys.exit(f'loaded: {sorted(bad)}' if bad else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr


def test_operators_command_starts_without_database_and_broker_libraries(top):
    code = (
        "import sys, nova_lite.cli.main; "
        "bad = {'alembic', 'sqlalchemy', 'oslo_messaging', 'kombu', 'falcon', 'libvirt'} & {n.split('.')[0] for n in sys.modules}; "
        "sys.exit(f'loaded: {sorted(bad)}' if bad else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
