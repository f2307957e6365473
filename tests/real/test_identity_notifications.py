"""Security events on a real RabbitMQ, as any consumer of OpenStack's notifications reads them."""

from __future__ import annotations

import json

import kombu
import pytest
from falcon import testing

from nova_lite import metrics
from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity.audit import Unheard
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.notifications import Notified
from nova_lite.identity.policy import Policy
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.rpc.notifications import KEPT, Notifications

pytestmark = pytest.mark.rabbit

PATIENCE_S = 30


class Reader:
    """Takes notifications from their queue."""

    def __init__(self, url):
        exchange = kombu.Exchange("keystone", type="topic", durable=True)
        self.queue = kombu.Queue(
            "notifications.info", exchange, "notifications.info", durable=True, queue_arguments={"x-queue-type": "quorum"}
        )
        self.url = url

    def take(self, count):
        """Wait for so many; give their types and payloads."""
        taken = []
        with kombu.Connection(self.url) as connection, connection.SimpleQueue(self.queue) as queue:
            for _ in range(count):
                message = queue.get(timeout=PATIENCE_S)
                message.ack()
                body = json.loads(message.payload["oslo.message"])
                taken.append((body["event_type"], body["payload"]))
        return taken

    def has_none(self):
        with kombu.Connection(self.url) as connection, connection.SimpleQueue(self.queue) as queue:
            return queue.qsize() == 0


@pytest.fixture
def broker(rabbit, request):
    options = rabbit.options(f"notices-{len(request.node.name)}")
    return Notifications(options.url), Reader(options.url)


@pytest.fixture
def client(tmp_path, broker):
    """Identity's API, whose events are told."""
    database = Database(f"sqlite:///{tmp_path}/x.db")
    create_all(database)
    bootstrap(database, admin_password="admin-pw", demo_password="d", region="RegionOne", public_url="http://cloud.test")
    ensure_all_keys(tmp_path, SystemClock().wall())
    identity = make_identity(database, tmp_path, IdentityOptions(), SystemClock())
    parts = Parts(
        database=database,
        tokens=identity.tokens,
        policy=Policy(policy_file=tmp_path / "policy.yaml"),
        identity=identity,
        audit=Notified(Unheard(), broker[0].send),
    )
    yield testing.TestClient(make_app(parts, ["identity"]))
    database.dispose()


def log_in(client, password="admin-pw", name="admin"):
    domain = {"id": "default"}
    who = {"methods": ["password"], "password": {"user": {"name": name, "domain": domain, "password": password}}}
    body = {"auth": {"identity": who, "scope": {"project": {"name": name, "domain": domain}}}}
    return client.simulate_post("/identity/v3/auth/tokens", json=body)


def test_logins_and_changes_are_told_by_keystones_names_without_secrets(client, broker):
    _, reader = broker
    token = log_in(client).headers["x-subject-token"]
    headers = {"X-Auth-Token": token}
    body = {"user": {"name": "new", "domain_id": "default", "password": "the new one's"}}
    user = client.simulate_post("/identity/v3/users", json=body, headers=headers).json["user"]["id"]
    refused = client.simulate_post(
        "/identity/v3/users", json=body, headers={"X-Auth-Token": log_in(client, "d", "demo").headers["x-subject-token"]}
    )
    client.simulate_delete(f"/identity/v3/users/{user}", headers=headers)
    log_in(client, "wrong")

    told = reader.take(5)

    assert refused.status_code == 403
    assert [kind for kind, _ in told] == [
        "identity.authenticate", "identity.user.created", "identity.authenticate", "identity.user.deleted", "identity.authenticate",
    ]  # fmt: skip
    assert [payload["outcome"] for _, payload in told] == ["success"] * 4 + ["failure"]
    assert told[1][1]["resource_info"] == told[1][1]["target"]["id"] == user
    assert told[0][1]["typeURI"].startswith("http://schemas.dmtf.org/cloud/audit")
    assert not any(secret in json.dumps(told) for secret in ("admin-pw", "the new one's", "wrong", token))
    assert reader.has_none()


def test_while_the_broker_is_away_nobody_waits_and_the_first_are_told_later(rabbit, broker):
    notifications, reader = broker
    notifications.send("identity.user.created", {"number": -1})
    reader.take(1)
    lost = metrics.NOTIFICATIONS_LOST._value.get()
    rabbit.stop()
    try:
        for number in range(KEPT + 100):
            notifications.send("identity.user.created", {"number": number})
        dropped = metrics.NOTIFICATIONS_LOST._value.get() - lost
    finally:
        rabbit.start()

    told = [payload["number"] for _, payload in reader.take(KEPT + 100 - int(dropped))]

    assert 99 <= dropped <= 100  # one may be in the thread's hands
    assert told == list(range(len(told)))
