"""An identity service on an empty database, with a clock that a test moves."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.clock import SimulatedClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.keys import key_file
from nova_lite.identity.service import ensure_all_keys, make_identity

DEFAULT = {"id": "default"}


class JumpingClock(SimulatedClock):
    """A clock whose time of day somebody sets: `ahead_s` it is ahead; the other one only goes on."""

    ahead_s = 0.0

    def wall(self):
        return self.now + self.ahead_s


@dataclasses.dataclass
class Cloud:
    """A bootstrapped identity service."""

    database: Database
    clock: JumpingClock
    folder: object
    identity: object

    @property
    def keys(self):
        return key_file(self.folder)

    def log_in(self, name="demo", password="demo-pw", scope=None, address="192.0.2.1"):
        user = {"name": name, "domain": DEFAULT, "password": password}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = scope or {"project": {"name": name, "domain": DEFAULT}}
        return self.identity.login.authenticate(auth, address)

    def transact(self, work):
        return self.database.transact(work)


@pytest.fixture
def cloud(tmp_path):
    clock = JumpingClock(1_800_000_000.0)
    database = Database(f"sqlite:///{tmp_path / 'x.db'}", clock)
    create_all(database)
    set_up(database)
    ensure_all_keys(tmp_path, clock.wall())
    yield Cloud(database, clock, tmp_path, make_identity(database, tmp_path, IdentityOptions(), clock))
    database.dispose()


def set_up(database, admin="admin-pw", url="http://cloud.test:8774"):
    bootstrap(database, admin_password=admin, demo_password="demo-pw", region="RegionOne", public_url=url)


@pytest.fixture
def repeat_bootstrap():
    return set_up
