"""Protected properties, as clients of the Image API and of Compute's old image calls meet them."""

from __future__ import annotations

import json

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.image import patch
from nova_lite.api.parts import Parts
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image.protections import POLICIES, ROLES, Protections
from nova_lite.image.service import Images
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.tickets import Tickets

SPECIAL = """
[^spl_create$]
create = admin, special
read = admin, special
update = admin
delete = admin
[^spl_all$]
create = special
read = special
update = special
delete = special
[^read_only$]
create = admin
read = @
update = !
delete = !
[^open]
create = @
read = @
update = @
delete = @
"""


class ByRoles:
    """Takes a token for the roles that it names."""

    def check(self, token, request_id, call=None):
        roles = frozenset(token.split(",")) | {"reader"}
        return Context(request_id=request_id, user_id="u", project_id="p", roles=roles)


@pytest.fixture
def make_client(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(database)
    images = Images(database, FilesystemStore(tmp_path / "images"), Tickets(tmp_path / "key"), "http://cloud.test")

    def make(name=ROLES, text=SPECIAL, rules=""):
        (tmp_path / name).write_text(text)
        (tmp_path / "policy.yaml").write_text(rules)
        policy = Policy(policy_file=tmp_path / "policy.yaml")
        known = Protections(tmp_path, policy.allows_named)
        parts = Parts(database=database, tokens=ByRoles(), policy=policy, images=images, protections=known)
        return falcon.testing.TestClient(make_app(parts, ["image", "compute"]))

    yield make
    database.dispose()


def create(client, roles, **properties):
    return client.simulate_post("/image/v2/images", json=properties, headers={"X-Auth-Token": roles})


def change(client, roles, image, *changes):
    headers = {"X-Auth-Token": roles, "Content-Type": patch.NEW}
    body = [dict(zip(("op", "path", "value"), one, strict=False)) for one in changes]
    return client.simulate_patch(f"/image/v2/images/{image}", body=json.dumps(body), headers=headers)


def get(client, roles, path):
    return client.simulate_get(path, headers={"X-Auth-Token": roles})


def test_who_may_not_create_a_property_is_refused_and_makes_no_image(make_client):
    client = make_client()

    refused = [create(client, "member", spl_create="x"), create(client, "member", no_section="x")]
    made = create(client, "member,special", spl_create="x", open_one="y")

    assert [got.status_code for got in refused] == [403, 403]
    assert made.status_code == 201
    assert len(get(client, "admin", "/image/v2/images").json["images"]) == 1


def test_what_may_not_be_read_is_in_no_answer_and_in_no_filter(make_client):
    client = make_client()
    image = create(client, "member,special", spl_all="secret", open_one="y").json["id"]

    shown = get(client, "member", f"/image/v2/images/{image}").json
    listed = get(client, "member", "/image/v2/images").json["images"]
    guessed = get(client, "member", "/image/v2/images?spl_all=secret").json["images"]
    found = get(client, "member,special", "/image/v2/images?spl_all=secret").json["images"]

    assert "spl_all" not in shown and shown["open_one"] == "y"
    assert [("spl_all" in one) for one in listed] == [False]
    assert guessed == []
    assert [one["spl_all"] for one in found] == ["secret"]


@pytest.mark.parametrize(
    ("roles", "one", "status"),
    [
        ("member,special", ("replace", "/spl_all", "new"), 200),
        ("member,special", ("add", "/spl_all", "new"), 200),
        ("member,special", ("remove", "/spl_all"), 200),
        ("member,special", ("replace", "/spl_create", "new"), 403),
        ("member,special", ("add", "/spl_create", "new"), 403),  # it is there, so this would be an update
        ("member,special", ("remove", "/spl_create"), 403),
        ("member", ("replace", "/spl_all", "new"), 409),  # for who does not see it, it is not there
        ("member", ("remove", "/spl_all"), 409),
        ("member", ("add", "/spl_all", "new"), 403),
        ("member", ("add", "/no_section", "new"), 403),
        ("admin", ("replace", "/read_only", "same"), 403),
        ("admin", ("remove", "/read_only"), 403),
        ("member", ("replace", "/open_one", "new"), 200),
        ("member", ("replace", "/name", "new"), 200),
    ],
)
def test_changes_are_checked_one_by_one(make_client, roles, one, status):
    client = make_client()
    image = create(client, "admin,special", spl_all="a", spl_create="b", read_only="same", open_one="d", owner="p").json["id"]

    got = change(client, roles, image, one)

    assert got.status_code == status, got.text


def test_what_the_caller_does_not_see_stays_when_it_changes_the_rest(make_client):
    client = make_client()
    image = create(client, "member,special", spl_all="kept", open_one="old").json["id"]

    changed = change(client, "member", image, ("replace", "/open_one", "new"), ("replace", "/name", "n"))

    assert changed.status_code == 200
    assert "spl_all" not in changed.json
    assert get(client, "member,special", f"/image/v2/images/{image}").json["spl_all"] == "kept"


def test_a_refused_change_changes_nothing_of_its_patch(make_client):
    client = make_client()
    image = create(client, "member", open_one="old").json["id"]

    refused = change(client, "member", image, ("replace", "/open_one", "new"), ("add", "/no_section", "x"))

    assert refused.status_code == 403
    assert get(client, "member", f"/image/v2/images/{image}").json["open_one"] == "old"


def test_rules_of_the_policy_file_decide_where_the_file_names_rules(make_client):
    text = "[^x$]\ncreate = makers\nread = @\nupdate = gone\ndelete = makers\n"
    client = make_client(POLICIES, text, '"makers": "role:maker or role:admin"\n')

    made = create(client, "member,maker", x="1")
    refused = create(client, "member", x="1")

    assert (made.status_code, refused.status_code) == (201, 403)
    assert change(client, "admin", made.json["id"], ("replace", "/x", "2")).status_code == 403
    assert change(client, "member,maker", made.json["id"], ("remove", "/x")).status_code == 200


def test_computes_old_image_calls_know_the_protections_too(make_client):
    client = make_client()
    image = create(client, "member,special", spl_all="kept", open_one="old").json["id"]
    path = f"/compute/v2.1/images/{image}/metadata"

    shown = get(client, "member", path).json["metadata"]
    hidden = get(client, "member", f"{path}/spl_all")
    headers = {"X-Auth-Token": "member"}
    replaced = client.simulate_put(path, json={"metadata": {"open_two": "x"}}, headers=headers)
    refused = client.simulate_post(path, json={"metadata": {"read_only": "x"}}, headers=headers)

    assert shown == {"open_one": "old"}
    assert hidden.status_code == 404
    assert (replaced.status_code, replaced.json["metadata"]) == (200, {"open_two": "x"})
    assert refused.status_code == 403
    assert get(client, "special", path).json["metadata"] == {"open_two": "x", "spl_all": "kept"}
