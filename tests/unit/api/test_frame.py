from __future__ import annotations

import contextlib
import re

import orjson
import pytest

from nova_lite.api import admission
from nova_lite.api.admission import Kind

JSON = {"Content-Type": "application/json"}
ADMIN = {"X-Auth-Token": "admin"}
THING = b'{"thing": {"name": "x"}}'


def post(client, body, path="/compute/v1/things", **headers):
    return client.simulate_post(path, body=body, headers={**JSON, **ADMIN, **headers})


def test_a_request_id_is_given_and_one_of_the_right_form_taken(client):
    mine = "req-12345678-1234-1234-1234-123456789abc"

    assert (
        client.simulate_get("/compute/v1/open", headers={"X-Openstack-Request-Id": mine}).headers["x-openstack-request-id"]
        == mine
    )
    for other in ("req-1", mine + "\t", "x" * 300):
        given = client.simulate_get("/compute/v1/open", headers={"X-Openstack-Request-Id": other}).headers
        assert re.fullmatch(r"req-[0-9a-f-]{36}", given["x-openstack-request-id"])
        assert given["x-openstack-request-id"] != other


def test_errors_carry_the_request_id_too(client):
    assert client.simulate_get("/compute/v1/nowhere").headers["x-openstack-request-id"].startswith("req-")


VERSIONS = [
    ({}, [2, 1]),
    ({"OpenStack-API-Version": "compute 2.10"}, [2, 10]),
    ({"OpenStack-API-Version": "volume 3.5, compute 2.11"}, [2, 11]),
    ({"OpenStack-API-Version": "volume 3.5"}, [2, 1]),
    ({"OpenStack-API-Version": "compute latest"}, [2, 42]),
    ({"X-OpenStack-Nova-API-Version": "2.5"}, [2, 5]),
    ({"X-OpenStack-Nova-API-Version": "latest"}, [2, 42]),
    ({"OpenStack-API-Version": "compute 2.9", "X-OpenStack-Nova-API-Version": "2.5"}, [2, 9]),
]


@pytest.mark.parametrize(("headers", "version"), VERSIONS)
def test_the_microversion_comes_from_either_header(client, headers, version):
    got = client.simulate_get("/compute/v1/open", headers=headers)

    assert got.json["version"] == version
    shown = f"{version[0]}.{version[1]}"
    assert got.headers["openstack-api-version"] == f"compute {shown}"
    assert got.headers["x-openstack-nova-api-version"] == shown
    assert got.headers["vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version"


@pytest.mark.parametrize("text", ["2.43", "2.0", "3.1", "1.1", "2.9999"])
def test_a_microversion_outside_the_range_is_406(client, text):
    got = client.simulate_get("/compute/v1/open", headers={"OpenStack-API-Version": f"compute {text}"})

    assert got.status_code == 406
    message = f"Version {text} is not supported by the API. Minimum is 2.1 and maximum is 2.42."
    assert got.json == {"computeFault": {"code": 406, "message": message}}


@pytest.mark.parametrize("text", ["2", "2.", "2.01", "two", "2.1.1", "-2.1", "2.99999", "", "２.1"])
def test_a_malformed_microversion_is_400(client, text):
    got = client.simulate_get("/compute/v1/open", headers={"X-OpenStack-Nova-API-Version": text or " "})

    assert got.status_code == 400
    assert "badRequest" in got.json


def test_a_route_exists_only_in_its_versions(client):
    def status(version):
        headers = {"OpenStack-API-Version": f"compute {version}"}
        return client.simulate_get("/compute/v1/things/1/new", headers=headers).status_code

    assert [status(version) for version in ("2.9", "2.10", "2.20", "2.21")] == [404, 200, 200, 404]


def test_a_schema_belongs_to_its_versions(client):
    body = b'{"thing": {"name": "x", "note": "y"}}'

    assert post(client, body, **{"OpenStack-API-Version": "compute 2.18"}).status_code == 400
    assert post(client, body, **{"OpenStack-API-Version": "compute 2.19"}).status_code == 200


ACTIONS = [
    (b'{"stop": null}', "2.1", 200),
    (b'{"stop": 1}', "2.1", 400),
    (b'{"fly": null}', "2.1", 400),
    (b"{}", "2.1", 400),
    (b'{"stop": null, "kill": null}', "2.42", 400),
    (b'{"kill": null}', "2.29", 404),
    (b'{"kill": null}', "2.30", 200),
]


@pytest.mark.parametrize(("body", "version", "status"), ACTIONS)
def test_an_action_is_chosen_by_the_only_key(client, body, version, status):
    got = post(client, body, "/compute/v1/things/1/action", **{"OpenStack-API-Version": f"compute {version}"})

    assert got.status_code == status


def test_an_actions_own_rule_counts(client):
    headers = {**JSON, "OpenStack-API-Version": "compute 2.30"}

    assert client.simulate_post("/compute/v1/things/1/action", body=b'{"kill": null}', headers=headers).status_code == 403


def nested(depth):
    return b'{"thing": {"name": ' + b"[" * depth + b"]" * depth + b"}}"


BAD_BODIES = [
    (b" ", {}, 400),
    (b"not json", {}, 400),
    (b"[]", {}, 400),
    (b'"text"', {}, 400),
    (b"null", {}, 400),
    (b"{", {}, 400),
    (b'{"thing": {"name": "\xff"}}', {}, 400),
    (b'{"thing": {"name": "\\ud800"}}', {}, 400),
    (b'{"thing": {"name": "a\\u0000"}}', {}, 400),
    (nested(40), {}, 400),
    (nested(5000), {}, 400),
    (nested(200_000), {}, 400),
    (b'{"thing": {"name": NaN}}', {}, 400),
    (b'{"thing": {}}', {}, 400),
    (b'{"thing": {"name": "far too long"}}', {}, 400),
    (b'{"thing": {"name": "x", "extra": 1}}', {}, 400),
    (b'{"thing": {"name": "x"}, "other": 1}', {}, 400),
    (b" " * (20 << 20), {}, 413),
    (THING, {"Content-Type": "text/plain"}, 415),
    (THING, {"Content-Type": "application/xml"}, 415),
    (THING, {"Content-Type": ""}, 415),
    (THING, {"Content-Type": "application/json; charset=utf-8"}, 200),
]


@pytest.mark.parametrize(("body", "headers", "status"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_bad_bodies_are_refused(client, body, headers, status):
    got = post(client, body, **headers)

    assert got.status_code == status, got.text
    assert b"far too long" not in got.content


def test_a_body_without_a_length_is_411(client):
    got = client.simulate_post("/compute/v1/things", headers={**JSON, **ADMIN})

    assert got.status_code == 411


def test_other_media_types_may_hold_lists(client):
    headers = {"Content-Type": "application/json-patch"}

    assert client.simulate_patch("/compute/v1/list", body=b"[]", headers=headers).status_code == 200
    assert client.simulate_patch("/compute/v1/list", body=b"{}", headers=headers).status_code == 400
    assert client.simulate_patch("/compute/v1/list", body=b"[]", headers=JSON).status_code == 415


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=1&limit=2", "limit=%FF", "marker=%00", "&".join(["a=1"] * 300)]
)
def test_bad_queries_are_refused(client, query):
    assert client.simulate_get("/compute/v1/things", query_string=query).status_code == 400


def test_pages_follow_each_other_by_their_links(client):
    seen, address = [], "/compute/v1/things?limit=2&color=red%20green"
    while address:
        path, _, query = address.partition("?")
        got = client.simulate_get(path, query_string=query).json
        seen.append(got["things"])
        links = got["links"]
        address = links[0]["href"].removeprefix("http://falconframework.org") if links else None
        assert not address or "color=red+green" in address

    assert seen == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_a_limit_over_the_greatest_is_cut(client):
    assert len(client.simulate_get("/compute/v1/things", query_string="limit=999999").json["things"]) == 3
    assert len(client.simulate_get("/compute/v1/things", query_string="limit=0").json["things"]) == 3


@pytest.mark.parametrize("token", ["", "stranger", "\xe9"])
def test_without_a_good_token_it_is_401_in_identitys_words(client, token):
    got = client.simulate_get("/compute/v1/things", headers={"X-Auth-Token": token})

    assert got.status_code == 401
    assert got.headers["www-authenticate"] == 'Keystone uri="http://falconframework.org/identity"'
    assert got.json["error"]["title"] == "Unauthorized"


def test_head_is_get_without_a_body_and_slashes_at_the_end_do_not_matter(client):
    head = client.simulate_head("/compute/v1/things/7/")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == client.simulate_get("/compute/v1/things/7").headers["content-length"]


def test_a_percent_encoded_nul_in_a_path_is_404(client):
    assert client.simulate_get("/compute/v1/things/a%00b").status_code == 404


SHAPES = [
    ("compute", 404, {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}),
    ("identity", 404, {"error": {"code": 404, "message": "The resource could not be found.", "title": "Not Found"}}),
    ("network", 404, {"NeutronError": {"type": "HTTPNotFound", "message": "The resource could not be found.", "detail": ""}}),
]


@pytest.mark.parametrize(("name", "status", "shape"), SHAPES)
def test_each_service_tells_errors_in_its_own_shape(client, name, status, shape):
    got = client.simulate_get(f"/{name}/v1/nowhere")

    assert (got.status_code, got.json) == (status, shape)


def test_image_tells_errors_as_a_page_or_as_json_when_asked(client):
    page = client.simulate_get("/image/v1/nowhere")
    json = client.simulate_get("/image/v1/nowhere", headers={"Accept": "application/json"})

    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert "<title>404 Not Found</title>" in page.text
    assert json.json["title"] == "Not Found"


def test_405_names_what_is_allowed(client):
    got = client.simulate_delete("/compute/v1/things")

    assert got.status_code == 405
    assert {"GET", "POST"} <= set(got.headers["allow"].split(", "))
    assert "badMethod" in got.json


def test_quota_has_each_services_own_status(client):
    assert [client.simulate_get(f"/{name}/v1/fail/quota").status_code for name in ("compute", "network", "image")] == [
        403,
        409,
        413,
    ]


def test_an_outage_says_when_to_come_back(client):
    got = client.simulate_get("/compute/v1/fail/away")

    assert (got.status_code, got.headers["retry-after"]) == (503, "7")
    assert got.json["serviceUnavailable"]["message"] == "The database does not answer."


@pytest.mark.parametrize(("project", "status", "shape"), [("p", 429, "overLimit"), ("another", 503, "serviceUnavailable")])
def test_a_change_too_many_is_told_when_to_come_back(client, project, status, shape):
    admission.note_queued(admission.BURST_S)
    gates = client.parts.admission
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(gates.slot(Kind.CHANGE, project))

        answer = post(client, THING)

        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "1")
        assert answer.json[shape]["code"] == status
        assert client.simulate_get("/compute/v1/things/7").status_code == 200
    admission.note_queued(0.0)
    assert post(client, THING).status_code == 200


def test_a_list_too_many_is_refused_before_its_token_is_looked_at_and_without_a_line_in_the_log(client, caplog):
    admission.note_queued(admission.BURST_S)
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(client.parts.admission.slot(Kind.LIST))

        answer = client.simulate_get("/compute/v1/things", headers={"X-Auth-Token": "no token"})

    admission.note_queued(0.0)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert not caplog.records


def test_an_unknown_error_is_500_without_detail_and_in_the_log_with_it(client, caplog):
    got = client.simulate_get("/compute/v1/fail/now")

    assert got.status_code == 500
    assert "secret detail" not in got.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "a secret detail" in caplog.text
    assert record.request_id == got.headers["x-openstack-request-id"]


def upload(client, body, **headers):
    headers = {"Content-Type": "application/octet-stream", **headers}
    return client.simulate_put("/image/v1/things/1/file", body=body, headers=headers)


def test_bytes_are_streamed(client):
    assert upload(client, b"x" * 3_000_000).json == {"size": 3_000_000, "announced": 3_000_000}


def test_an_upload_that_ends_early_is_an_error(client):
    assert upload(client, b"x" * 100, **{"Content-Length": "101"}).status_code == 400


def test_an_upload_of_another_type_is_415(client):
    assert upload(client, b"x", **{"Content-Type": "application/json"}).status_code == 415


def test_links_use_the_address_the_client_used(client):
    got = client.simulate_get("/compute/v1/things", query_string="limit=1", headers={"Host": "cloud.example:8774"})

    assert got.json["links"][0]["href"].startswith("http://cloud.example:8774/compute/v1/things?")


def test_a_path_without_a_service_answers_like_identity(client):
    got = client.simulate_get("/nowhere")

    assert orjson.loads(got.content)["error"]["code"] == 404
