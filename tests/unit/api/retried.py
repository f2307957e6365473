"""A made-up service whose handlers write, to try safe retries on any database."""

from __future__ import annotations

import threading

import falcon.testing
import sqlalchemy as sa
from oslo_policy import policy as oslo

from nova_lite import errors
from nova_lite.api import validate
from nova_lite.api.app import assemble
from nova_lite.api.parts import Parts
from nova_lite.api.route import Answer, Route
from nova_lite.api.service import Service
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.identity.policy import Policy

THINGS = sa.Table("retried_things", sa.MetaData(), sa.Column("number", sa.Integer), sa.Column("name", sa.String(64)))
ANYONE, MEMBER = "thing:any", "thing:member"
RULES = (oslo.RuleDefault(ANYONE, "@"), oslo.RuleDefault(MEMBER, "role:member"))
CREATE = validate.body({"name": {"type": "string", "maxLength": 8}}, required=("name",))
PATH = "/compute/v1/things"


class Callers:
    """Tokens are `user/project/role,role`."""

    def check(self, token, request_id, call=None):
        user, project, roles = token.split("/")
        return Context(request_id=request_id, user_id=user, project_id=project, roles=frozenset(roles.split(",")))


class Things:
    """The handlers, and how often each was called."""

    def __init__(self, database):
        self.database = database
        self.calls = 0
        self.hold = threading.Event()  # what a slow create waits for, once it has written
        self.writing = threading.Event()

    def create(self, request):
        self.calls += 1
        number = self.calls
        name = request.body["name"]
        if name == "bad":
            request.parts.database.transact(lambda tx: self._put(tx, number, name))
            raise errors.Conflict("It is in use.")
        request.parts.database.transact(lambda tx: self._put(tx, number, name))
        if name == "slow":
            self.writing.set()
            self.hold.wait(30)
        return Answer(
            status=202, body={"number": number, "secret": f"hush-{number}"}, headers={"Location": f"/things/{number}"}
        )

    @staticmethod
    def _put(tx, number, name):
        tx.execute(THINGS.insert(), {"number": number, "name": name})

    def remove(self, request):
        name = request.params["name"]
        with request.parts.database.read() as tx:
            if not tx.execute(sa.select(THINGS).where(THINGS.c.name == name)).all():
                raise errors.NotFound
        request.parts.database.transact(lambda tx: tx.execute(THINGS.delete().where(THINGS.c.name == name)))
        return Answer(status=204)

    def show(self, _request):
        self.calls += 1
        return Answer(body={"calls": self.calls})

    def names(self):
        with self.database.read() as tx:
            return sorted(tx.execute(sa.select(THINGS.c.name)).scalars())


def make(database):
    """Give the handlers and a client of a service that has them."""
    schema.create_all(database)
    database.transact(lambda tx: THINGS.metadata.create_all(tx.connection))
    things = Things(database)
    routes = (
        Route("POST", "/things", things.create, rule=MEMBER, body=CREATE),
        Route("DELETE", "/things/{name}", things.remove, rule=ANYONE),
        Route("POST", "/looks", things.show, rule=ANYONE),
        Route("GET", "/looks", things.show, rule=ANYONE),
        Route("POST", "/logins", things.show, token=False, kept=False),
    )
    served = Service(name="compute", prefix="/compute", root="/compute/v1", routes=routes)
    parts = Parts(database=database, tokens=Callers(), policy=Policy(RULES))
    return things, falcon.testing.TestClient(assemble(parts, [served]))


def post(client, name="x", *, key="k", who="u/p/member", path=PATH, **headers):
    """Send a create request."""
    known = {"X-Auth-Token": who} | ({} if key is None else {"Idempotency-Key": key}) | headers
    return client.simulate_post(path, json={"name": name}, headers=known)


def post_at_once(client, number, **more):
    """Send the same request from many threads at the same moment; give the answers."""
    barrier, answers = threading.Barrier(number), []

    def ask():
        barrier.wait(10)
        answers.append(post(client, **more))

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
