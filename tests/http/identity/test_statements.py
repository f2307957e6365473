"""A valid token costs no look into the database."""

from __future__ import annotations

import falcon.testing
import pytest
import sqlalchemy as sa

from nova_lite.api.app import make_app


@pytest.fixture
def client(parts):
    return falcon.testing.TestClient(make_app(parts, ["identity", "image", "network"]))


@pytest.fixture
def statements(database):
    """Give the list of SQL statements that were sent."""
    sent = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    return sent


@pytest.mark.parametrize("path", ["/image/v2/schemas/image", "/network/v2.0/extensions"])
def test_a_request_that_reads_nothing_sends_no_statement_for_its_token(client, world, statements, path):
    headers = {"X-Auth-Token": world.tokens["demo"]}
    assert client.simulate_get(path, headers=headers).status_code == 200  # the first one reads the revocations
    statements.clear()

    for _ in range(10):
        assert client.simulate_get(path, headers=headers).status_code == 200

    assert statements == []


def test_a_token_that_is_forged_sends_none_either(client, world, statements):
    assert client.simulate_get("/image/v2/schemas/image", headers={"X-Auth-Token": world.tokens["demo"]}).status_code == 200
    statements.clear()

    forged = world.tokens["demo"][:-2] + "xx"
    for token in (forged, "nl1.00000000.e30.e30", "no token"):
        assert client.simulate_get("/image/v2/schemas/image", headers={"X-Auth-Token": token}).status_code == 401

    assert statements == []
