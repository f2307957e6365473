"""What benchmarks start for themselves: it answers, so that they do not stop being playable unseen."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.slow
CASES = Path(__file__).parents[2] / "benchmarks/cases"


def case(name):
    spec = importlib.util.spec_from_file_location(f"case_{name}", CASES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_apis_whose_tokens_are_measured_let_their_administrator_in(tmp_path):
    identity = case("identity")

    with identity.ours(tmp_path) as (url, password, _):
        answer = requests.post(f"{url}/auth/tokens", json=identity.body("admin", password), timeout=30)

    assert answer.status_code == 201
    assert answer.headers["X-Subject-Token"]
