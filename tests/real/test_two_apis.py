"""Two api processes on one database: what one of them revokes or rotates, the other one knows, without a restart."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import subprocess
import sys
import time

import pytest
import requests
from click.testing import CliRunner
from real.rabbit import free_ports

from nova_lite.cli.main import command
from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.keys import LEAD_S
from nova_lite.identity.service import ensure_all_keys

READY_S = 60
PROMISE_S = 1.0
PATIENCE_S = 15.0
NUMBERS = itertools.count()


class Api:
    """One process."""

    def __init__(self, folder, number):
        port = free_ports(1)[0]
        ensure_all_keys(folder, time.time())
        self.url = f"http://127.0.0.1:{port}/identity/v3"
        settings = {
            "OS_DEFAULT__STATE_DIR": str(folder),
            "OS_DEFAULT__LOG_DIR": str(folder / "log"),
            "OS_API__PORT": str(port),
            "OS_API__THREADS": "4",
            "OS_IDENTITY__POLICY_FILE": str(folder / "policy.yaml"),
        }
        with (folder / f"api{number}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nova_lite.api.daemon", "--services", "identity"],
                env=os.environ | settings, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_ready(self):
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            assert self.process.poll() is None, "an api ended"
            with contextlib.suppress(requests.ConnectionError):
                requests.get(self.url, timeout=10)
                return
            time.sleep(0.1)
        pytest.fail("an api did not start")

    def ask(self, method, path, token=None, *, subject=None, **body):
        headers = {"X-Auth-Token": token, "X-Subject-Token": subject}
        headers = {name: value for name, value in headers.items() if value}
        return requests.request(method, self.url + path, json=body or None, headers=headers, timeout=30)

    def log_in(self, name, password, project, domain="default"):
        who = {"methods": ["password"], "password": {"user": {"name": name, "domain": {"id": domain}, "password": password}}}
        scope = {"project": {"name": project, "domain": {"id": domain}}}
        answer = self.ask("POST", "/auth/tokens", auth={"identity": who, "scope": scope})
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def lets_in(self, token):
        return self.ask("GET", "/auth/projects", token).status_code == 200


@dataclasses.dataclass
class Person:
    """Somebody with a token, and where it has come from."""

    user: str
    project: str
    domain: str
    role: str
    token: str


@dataclasses.dataclass
class Pair:
    """The two processes, and the administrator's token."""

    folder: object
    first: Api
    second: Api
    admin: str

    def make(self, kind, **fields):
        answer = self.first.ask("POST", f"/{kind}s", self.admin, **{kind: fields})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]["id"]

    def person(self):
        name = f"one{next(NUMBERS)}"
        domain = self.make("domain", name=name)
        project = self.make("project", name=name, domain_id=domain)
        user = self.make("user", name=name, domain_id=domain, password="old")
        role = self.first.ask("GET", "/roles?name=member", self.admin).json()["roles"][0]["id"]
        self.first.ask("PUT", f"/projects/{project}/users/{user}/roles/{role}", self.admin).raise_for_status()
        return Person(user, project, domain, role, self.first.log_in(name, "old", name, domain))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    database = Database(f"sqlite:///{folder / 'nova-lite.db'}")
    migrate.upgrade(database)
    people = {"admin_password": "admin-pw", "demo_password": "demo-pw"}
    bootstrap(database, **people, region="RegionOne", public_url="http://cloud.test", services=["identity"])
    database.dispose()
    apis = []
    try:
        for number in range(2):
            apis.append(Api(folder, number))
            apis[-1].wait_ready()  # the first one makes the keys
        yield Pair(folder, *apis, apis[0].log_in("admin", "admin-pw", "admin"))
    finally:
        for api in apis:
            api.process.terminate()
        for api in apis:
            api.process.wait(40)


def log_out(pair, who):
    return pair.first.ask("DELETE", "/auth/tokens", pair.admin, subject=who.token)


def change_password(pair, who):
    return pair.first.ask("POST", f"/users/{who.user}/password", user={"original_password": "old", "password": "new"})


def disable_user(pair, who):
    return pair.first.ask("PATCH", f"/users/{who.user}", pair.admin, user={"enabled": False})


def disable_project(pair, who):
    return pair.first.ask("PATCH", f"/projects/{who.project}", pair.admin, project={"enabled": False})


def disable_domain(pair, who):
    return pair.first.ask("PATCH", f"/domains/{who.domain}", pair.admin, domain={"enabled": False})


def withdraw_role(pair, who):
    return pair.first.ask("DELETE", f"/projects/{who.project}/users/{who.user}/roles/{who.role}", pair.admin)


@pytest.mark.parametrize("act", [log_out, change_password, disable_user, disable_project, disable_domain, withdraw_role])
def test_what_ends_a_token_in_one_process_ends_it_in_the_other_within_a_second(pair, act):
    who = pair.person()
    assert pair.second.lets_in(who.token)

    assert act(pair, who).ok

    assert not pair.first.lets_in(who.token)
    since, slowest = time.monotonic(), 0.0
    while pair.second.lets_in(who.token):
        asked = time.monotonic()
        assert asked - since < PATIENCE_S, "the other process never learned of it"
        time.sleep(0.02)
        slowest = max(slowest, time.monotonic() - asked)
    assert time.monotonic() - since <= PROMISE_S + 4 * slowest, (
        "it took longer than the promise, and than this machine's pauses"
    )
    assert pair.second.lets_in(pair.admin)


def test_rotated_keys_are_taken_up_by_both_and_earlier_tokens_stay_good(pair):
    who = pair.person()
    pids = [api.process.pid for api in (pair.first, pair.second)]
    environment = {"OS_DEFAULT__STATE_DIR": str(pair.folder), "OS_DEFAULT__LOG_DIR": str(pair.folder / "log")}
    config = pair.folder / "empty.conf"
    config.write_text("")

    done = CliRunner(env=environment).invoke(command, ["--config-file", str(config), "identity", "rotate-keys"])

    assert done.exit_code == 0, done.output
    fresh = []
    until = time.monotonic() + LEAD_S + PATIENCE_S
    for api, other in ((pair.first, pair.second), (pair.second, pair.first)):
        while (token := api.log_in("admin", "admin-pw", "admin")).split(".")[1] == who.token.split(".")[1]:
            assert time.monotonic() < until, "an api still signs with the key before"
            time.sleep(0.5)
        assert token.split(".")[1] in done.output
        assert other.lets_in(token)
        fresh.append(token)
    assert all(api.lets_in(token) for api in (pair.first, pair.second) for token in (who.token, pair.admin, *fresh))
    assert [api.process.pid for api in (pair.first, pair.second)] == pids
    assert all(api.process.poll() is None for api in (pair.first, pair.second))
