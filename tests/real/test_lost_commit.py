"""Creates whose COMMIT went through and was not answered: with a key the api looks, and gives the answer it had kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from functional import cloud as clouds
from real import cutting


@pytest.fixture
def way(postgres):
    with postgres.database() as url, cutting.CommitCutter(sa.make_url(url).query["host"]) as cutter:
        yield cutter, cutter.url(url).render_as_string(hide_password=False)


@pytest.fixture
def cloud(way, tmp_path):
    with clouds.running(tmp_path, "h1", url=way[1]) as cloud:
        yield cloud


def create(cloud, image, **headers):
    body = {"server": {"name": "chosen", "imageRef": image, "flavorRef": "1"}}
    return cloud.client.simulate_post("/compute/v2.1/servers", json=body, headers={**cloud.log_in("demo"), **headers})


def servers(cloud):
    return [one["id"] for one in cloud.ask("GET", "/servers").json["servers"]]


@pytest.mark.postgres
def test_a_create_with_a_key_is_accepted_once(way, cloud):
    image = cloud.image()
    way[0].cut_next(about=b"chosen")

    first, again = (create(cloud, image, **{"Idempotency-Key": "one"}) for _ in range(2))
    cloud.wait_for(first.json["server"]["id"], "ACTIVE")

    assert way[0].cuts == 1
    assert (first.status_code, again.status_code) == (202, 202)
    assert servers(cloud) == [first.json["server"]["id"]] == [again.json["server"]["id"]]
    assert len(cloud.guests("h1")) == 1


@pytest.mark.postgres
def test_a_create_without_a_key_is_refused_and_what_was_recorded_is_one_server(way, cloud):
    image = cloud.image()
    way[0].cut_next(about=b"chosen")

    answer = create(cloud, image)
    (server_id,) = servers(cloud)
    cloud.wait_for(server_id, "ACTIVE")

    assert way[0].cuts == 1
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert len(cloud.guests("h1")) == 1
