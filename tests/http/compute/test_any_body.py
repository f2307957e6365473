"""Requests about servers with any JSON in any place: an answer in the API's own shape, never a failure of ours.

`--hypothesis-seed=N` plays the same again; a failure prints its example.
"""

from __future__ import annotations

import copy
import urllib.parse
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_lite.api.compute.schemas import server_query
from nova_lite.api.microversion import parse

EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=300)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)
VERSIONS = st.sampled_from(
    ["2.1", "2.19", "2.32", "2.37", "2.42", "2.52", "2.56", "2.63", "2.67", "2.74", "2.90", "2.94", "2.104"]
)
FIELDS = (
    *("name", "imageRef", "flavorRef", "adminPass", "metadata", "networks", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6"),
    *("personality", "availability_zone", "block_device_mapping", "block_device_mapping_v2", "config_drive", "key_name"),
    *("min_count", "max_count", "return_reservation_id", "security_groups", "user_data", "description", "tags", "host"),
    *("hypervisor_hostname", "hostname", "trusted_image_certificates", "pinned_availability_zone"),
)
DEVICE_FIELDS = (
    *("source_type", "destination_type", "uuid", "boot_index", "volume_size", "guest_format", "device_name", "virtual_name"),
    *("delete_on_termination", "no_device", "tag", "volume_type", "disk_bus", "device_type", "volume_id", "snapshot_id"),
)
FIELD_OF_DEVICE = st.sampled_from(DEVICE_FIELDS)
LIKELY = st.sampled_from(["blank", "local", "volume", "image", "swap", "ext4", "ephemeral0", 0, 1, -1, "1", None, True])
FILTERS = st.sampled_from(sorted(server_query.LIST.at(parse("2.104"))["properties"]))
NO_BODY = object()
FAULTS = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest", 413: "overLimit"}


@pytest.fixture
def send(client, world, variables):
    """Give a function that sends a request and looks at the answer's shape."""

    def ask(method: str, path: str, version: str, body: Any = NO_BODY, who: str = "admin") -> int:
        headers = {"X-Auth-Token": world.tokens[who], "X-OpenStack-Nova-API-Version": version}
        data = None
        if body is not NO_BODY:
            headers["Content-Type"] = "application/json"
            data = orjson.dumps(body).decode()
        got = client.simulate_request(method, f"/compute/v2.1{path}", headers=headers, body=data)
        assert got.status_code < 500, got.text
        if got.status_code >= 400:
            name = FAULTS[got.status_code]
            assert got.json[name]["code"] == got.status_code
            assert got.json[name]["message"]
        return got.status_code

    return ask


@pytest.fixture
def image(variables):
    return variables["image"]


@pytest.fixture
def server(variables):
    return f"/servers/{variables['active']}"


def _sendable(value: Any) -> Any:
    """Leave out what JSON of 64 bits does not write."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    if isinstance(value, list):
        return [_sendable(one) for one in value]
    if isinstance(value, dict):
        return {name: _sendable(one) for name, one in value.items()}
    return value


@EXAMPLES
@given(version=VERSIONS, changes=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=2))
def test_any_value_in_any_field_of_a_create_request(send, image, version, changes):
    plain = {"name": "s", "flavorRef": "1", "imageRef": image}
    plain |= {"networks": "none"} if parse(version) >= (2, 37) else {}

    send("POST", "/servers", version, {"server": plain | _sendable(changes)})


@EXAMPLES
@given(
    version=VERSIONS,
    devices=st.lists(st.dictionaries(FIELD_OF_DEVICE, LIKELY | JSON, max_size=5), max_size=3),
    old=st.booleans(),
)
def test_any_block_device(send, image, version, devices, old):
    field = "block_device_mapping" if old else "block_device_mapping_v2"
    plain = {"name": "s", "flavorRef": "1", "imageRef": image, field: _sendable(devices)}
    plain |= {"networks": "none"} if parse(version) >= (2, 37) else {}

    send("POST", "/servers", version, {"server": plain})


@EXAMPLES
@given(version=VERSIONS, body=JSON)
def test_any_body_of_any_writing_route(send, server, version, body):
    body = _sendable(body)

    for method, path in (
        ("POST", "/servers"),
        ("PUT", server),
        ("POST", f"{server}/metadata"),
        ("PUT", f"{server}/metadata/key"),
        ("PUT", f"{server}/tags"),
        ("POST", f"{server}/action"),
    ):
        send(method, path, version, body)


@EXAMPLES
@given(version=VERSIONS, changes=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2), metadata=JSON, tags=JSON)
def test_any_value_in_updates(send, server, version, changes, metadata, tags):
    send("PUT", server, version, {"server": _sendable(copy.deepcopy(changes))})
    send("PUT", f"{server}/metadata", version, {"metadata": _sendable(metadata)})
    send("PUT", f"{server}/tags", version, {"tags": _sendable(tags)})


@EXAMPLES
@given(
    version=VERSIONS,
    asked=st.lists(
        st.tuples(FILTERS, TEXT | st.sampled_from(["1", "true", "(", "a.*", "2020-01-01", "asc", "uuid"])), max_size=4
    ),
    who=st.sampled_from(["admin", "demo", "auditor"]),
)
def test_any_query_of_lists(send, version, asked, who):
    query = urllib.parse.urlencode(asked)

    send("GET", f"/servers?{query}", version, who=who)
    send("GET", f"/servers/detail?{query}", version, who=who)


@EXAMPLES
@given(version=VERSIONS, word=TEXT.filter(lambda word: word not in ("", ".", "..")))
def test_any_word_in_a_path(send, server, version, word):
    word = urllib.parse.quote(word, safe="")

    for method, path in (
        ("GET", f"/servers/{word}"),
        ("DELETE", f"/servers/{word}"),
        ("PUT", f"{server}/tags/{word}"),
        ("GET", f"{server}/tags/{word}"),
        ("DELETE", f"{server}/tags/{word}"),
        ("GET", f"{server}/metadata/{word}"),
        ("DELETE", f"{server}/metadata/{word}"),
        ("GET", f"{server}/ips/{word}"),
    ):
        send(method, path, version)
