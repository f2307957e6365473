"""What is written down is complete and true: docstrings, options, dependencies, links, fragments."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import subprocess
import sys

import pytest

OPTIONS_AT_MOST = 56
CHANGE_KINDS = {"added", "changed", "fixed", "removed"}
LEFT_FOR_LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
TEXT_SUFFIXES = {".py", ".md", ".cfg", ".toml", ".ini", ".sh", ".yaml", ".service", ".txt", ""}


def conf_modules(sources):
    files = [s for s in sources if s.room == "conf" and s.path.stem not in ("__init__", "load")]
    return [importlib.import_module(f"nova_lite.conf.{s.path.stem}") for s in files]


def options(sources):
    return [(module.GROUP, option) for module in conf_modules(sources) for option in module.OPTIONS]


def tracked(top):
    done = subprocess.run(["git", "ls-files"], cwd=top, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        pytest.skip("not a git checkout: the files of the project cannot be told from others")
    return [path for name in done.stdout.splitlines() if (path := top / name).is_file() and path.suffix in TEXT_SUFFIXES]


def is_public(name):
    return not name.startswith("_")


def test_every_module_class_and_public_function_has_a_docstring(sources):
    bare = [source.name for source in sources if not ast.get_docstring(source.tree)]
    for source in sources:
        for node in source.tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or not is_public(node.name):
                continue
            members = (
                [m for m in node.body if isinstance(m, ast.FunctionDef) and is_public(m.name)]
                if isinstance(node, ast.ClassDef)
                else []
            )
            bare += [f"{source.name}:{n.lineno} {n.name}" for n in (node, *members) if not ast.get_docstring(n)]

    assert not bare


def test_nothing_is_left_for_later(top):
    found = [
        f"{path.relative_to(top)}:{number}"
        for path in tracked(top)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if LEFT_FOR_LATER.search(line)
    ]

    assert not found


def test_every_option_has_a_type_a_default_and_a_help_text(sources):
    poor = [f"{group}.{option.name}" for group, option in options(sources) if not option.help or not option.help.endswith(".")]

    assert not poor


def test_numbers_among_the_options_have_a_range(sources):
    from oslo_config import types

    free = [
        f"{group}.{option.name}"
        for group, option in options(sources)
        if isinstance(option.type, types.Integer | types.Float) and (option.type.min is None or option.type.max is None)
    ]

    assert not free


def test_there_are_at_most_56_options(sources):
    assert len(options(sources)) <= OPTIONS_AT_MOST


@pytest.mark.parametrize(
    ("document", "command"), [("etc/nova-lite.conf.sample", "sample"), ("docs/operate/options.md", "reference")]
)
def test_generated_document_is_what_its_command_makes(top, document, command):
    done = subprocess.run(
        [sys.executable, "-m", "nova_lite.cli.main", "config", command],
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert (top / document).read_text(encoding="utf-8") == done.stdout, f"run: nova-lite config {command} > {document}"


def test_every_dependency_is_explained_in_one_line(top):
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(top / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    names = {re.split(r"[\[>=<;]", line)[0].strip() for text in lists for line in text.split("\n") if line.strip()}
    page = (top / "docs/dependencies.md").read_text(encoding="utf-8")

    explained = set(re.findall(r"^- ([A-Za-z0-9_.-]+): \S", page, re.MULTILINE))

    assert names - explained == set()
    assert len(explained) == len(re.findall(r"^- ", page, re.MULTILINE))


def test_every_link_between_documents_leads_somewhere(top):
    broken = []
    for path in tracked(top):
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(top)}: {target}")

    assert not broken


def test_change_fragments_are_named_by_kind_and_not_empty(top):
    fragments = [path for path in (top / "docs/changes").glob("*") if path.name != "README.md"]

    wrong = [
        p.name
        for p in fragments
        if p.suffix != ".md" or p.suffixes[0].strip(".") not in CHANGE_KINDS or not p.read_text().strip()
    ]

    assert fragments
    assert not wrong


def test_decisions_are_numbered_without_gaps(top):
    numbers = sorted(int(path.name[:4]) for path in (top / "docs/decisions").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_tests_have_no_init_files_and_real_ones_are_marked(top):
    packages = [str(path.relative_to(top)) for path in (top / "tests").rglob("__init__.py")]
    marked = re.compile(r"pytest\.mark\.|def \w+\((server|url|database)[,)]")  # those fixtures bring a server's mark along
    unmarked = [
        path.name for path in (top / "tests/real").rglob("test_*.py") if not marked.search(path.read_text(encoding="utf-8"))
    ]

    assert not packages
    assert not unmarked


def test_no_committed_file_names_the_place_where_it_was_built(top):
    pattern = re.compile("/" + r"work/(main|shared)|/" + r"tmp/w/")

    found = [str(path.relative_to(top)) for path in tracked(top) if pattern.search(path.read_text(encoding="utf-8"))]

    assert not found
