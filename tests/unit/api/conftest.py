"""A made-up service in the shape of Compute, to try the frame on."""

from __future__ import annotations

import falcon.testing
import pytest
from oslo_policy import policy as oslo

from nova_lite import errors
from nova_lite.api import pages, validate
from nova_lite.api.app import assemble
from nova_lite.api.microversion import ByVersion, VersionRange
from nova_lite.api.parts import Parts
from nova_lite.api.route import Answer, Route
from nova_lite.api.service import Service
from nova_lite.api.transfers import Transfers
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy

ANYONE, ADMIN = "thing:any", "thing:admin"
RULES = (oslo.RuleDefault(ANYONE, "@"), oslo.RuleDefault(ADMIN, "role:admin"))
NAME = {"type": "string", "maxLength": 8}
CREATE = validate.body({"thing": validate.body({"name": NAME}, required=("name",))}, required=("thing",))
CREATE_19 = validate.body({"thing": validate.body({"name": NAME, "note": NAME}, required=("name",))}, required=("thing",))


class Checker:
    """Knows two tokens."""

    def check(self, token, request_id, call=None):
        if token not in ("member", "admin"):
            raise errors.Unauthorized
        return Context(request_id=request_id, user_id="u", project_id="p", roles=frozenset({token}))


def echo(request):
    return Answer(body={"version": request.version, "params": request.params, "query": request.query, "body": request.body})


def fail(request):
    match request.params["how"]:
        case "away":
            raise errors.Unavailable("The database does not answer.", retry_after_s=7)
        case "quota":
            raise errors.OverQuota("Too many.")
        case "conflict":
            raise errors.Conflict("Locked.")
    raise RuntimeError("a secret detail")


def upload(request):
    size = 0
    while data := request.upload.read():
        size += len(data)
    return Answer(body={"size": size, "announced": request.upload.length})


def listed(request):
    page = pages.read_page(request, max_limit=3)
    start = int(page.marker or 0)
    found, more = pages.cut(page, list(range(start, 10))[: page.fetch])
    marker = str(found[-1] + 1) if more else None
    return Answer(body={"things": found, "links": pages.next_links(request, "/things", marker)})


ROUTES = (
    Route("GET", "/things", listed, rule=ANYONE, query=validate.query({"limit": validate.COUNT, "marker": validate.TEXT})),
    Route("POST", "/things", echo, rule=ADMIN, body=ByVersion({"2.1": CREATE, "2.19": CREATE_19})),
    Route("GET", "/things/{thing_id}", echo, rule=ANYONE),
    Route("GET", "/things/{id}/new", echo, rule=ANYONE, min_version="2.10", max_version="2.20"),
    Route("PUT", "/things/{id}/file", upload, rule=ANYONE, raw=True, media=("application/octet-stream",)),
    Route("POST", "/things/{id}/action", echo, rule=ANYONE, action="stop", body=validate.body({"stop": {"type": "null"}})),
    Route("POST", "/things/{id}/action", echo, rule=ADMIN, action="kill", min_version="2.30", body=validate.body({"kill": {}})),
    Route("GET", "/fail/{how}", fail, rule=ANYONE),
    Route("GET", "/open", echo, token=False),
    Route("PATCH", "/list", echo, rule=ANYONE, media=("application/json-patch",), body={"type": "array"}),
)
RANGE = VersionRange(service="compute", least=(2, 1), most=(2, 42), old_header="X-OpenStack-Nova-API-Version")


def service(name="compute", versions=RANGE):
    return Service(name=name, prefix=f"/{name}", root=f"/{name}/v1", routes=ROUTES, versions=versions, request_id_header=None)


@pytest.fixture
def client():
    parts = Parts(database=Database("sqlite://"), tokens=Checker(), policy=Policy(RULES), transfers=Transfers(1))
    served = [service(), service("image", None), service("network", None), service("identity", None)]
    client = falcon.testing.TestClient(assemble(parts, served), headers={"X-Auth-Token": "member"})
    client.parts = parts
    return client
