"""HOUSE section 6: what is too long to be read at one go is split."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys

FUNCTION_LINES = 60
FILE_LINES = 500
PARAMETERS = 7
METHODS = 20


def is_generated(source):
    return "/db/migrations/versions/" in f"/{source.name}"


def length(node: ast.AST) -> int:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return node.end_lineno - first + 1


def test_no_function_is_longer_than_60_lines(sources):
    long = [
        f"{source.name}:{function.lineno} {function.name}: {length(function)}"
        for source in sources
        if not is_generated(source)
        for function in source.functions()
        if length(function) > FUNCTION_LINES
    ]

    assert not long


def test_no_file_is_longer_than_500_lines(sources):
    long = [f"{s.name}: {len(s.text.splitlines())}" for s in sources if len(s.text.splitlines()) > FILE_LINES]

    assert not [line for line in long if "/migrations/versions/" not in line]


def test_no_function_takes_more_than_7_parameters(sources):
    def count(function):
        arguments = function.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        return len([name for name in names if name not in ("self", "cls")])

    wide = [
        f"{source.name}:{function.lineno} {function.name}: {count(function)}"
        for source in sources
        for function in source.functions()
        if count(function) > PARAMETERS
    ]

    assert not wide


def test_no_class_has_more_than_20_methods(sources):
    large = [
        f"{source.name}:{cls.lineno} {cls.name}"
        for source in sources
        for cls in source.classes()
        if sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in cls.body) > METHODS
    ]

    assert not large


def test_no_function_is_more_complex_than_12(top):
    ruff = shutil.which("ruff") or f"{sys.prefix}/bin/ruff"

    done = subprocess.run(
        [ruff, "check", "--select", "C901", "nova_lite"], cwd=top, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout
