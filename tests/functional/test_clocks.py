"""Times of day that are wrong by an hour and jump: nothing ends early, no host is taken for dead, nothing is left over."""

from __future__ import annotations

import random
import time

import pytest
from functional.cloud import running

from nova_lite.clock import SystemClock

HOUR_S = 3600.0


class Jumping(SystemClock):
    """A time of day that is wrong by up to `most_s` and by another amount at every look."""

    def __init__(self, most_s: float, seed: str) -> None:
        self._most_s = most_s
        self._chance = random.Random(seed)

    def wall(self) -> float:
        return super().wall() + self._chance.choice((-1, 1)) * self._most_s * self._chance.random()


def clock_of(daemon: str) -> SystemClock:
    return Jumping(60.0 if daemon == "api" else HOUR_S, daemon)


@pytest.fixture
def skewed(tmp_path, database_url):
    with running(tmp_path, "h1", "h2", url=database_url, clock_of=clock_of) as cloud:
        yield cloud


def test_a_servers_life_is_the_same_under_wrong_and_jumping_clocks(skewed):
    cloud = skewed
    ids = [cloud.boot(cloud.image(), f"s{number}") for number in range(3)]
    for server_id in ids:
        cloud.wait_for(server_id, "ACTIVE")

    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert all(host.up for host in cloud.listed_hosts())
        services = cloud.ask("GET", "/os-services", user="admin").json["services"]
        assert {service["state"] for service in services} == {"up"}
        time.sleep(0.1)
    assert cloud.ask("POST", f"/servers/{ids[0]}/action", {"os-stop": None}).status_code == 202
    cloud.wait_for(ids[0], "SHUTOFF")
    for server_id in ids:
        assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
        cloud.wait_gone(server_id)

    assert cloud.guests("h1") | cloud.guests("h2") == set()


def test_an_image_is_served_to_a_ticket_of_a_conductor_an_hour_off(skewed):
    cloud = skewed
    image = cloud.image(b"y" * 4096)
    images = cloud.conductor_images()
    tickets = [images.source_for(image, "h1", valid_s=60).ticket for _ in range(20)]

    answers = [
        cloud.client.simulate_get(f"/image/v2/images/{image}/file", headers={"X-Image-Ticket": ticket}) for ticket in tickets
    ]

    assert {answer.status_code for answer in answers} == {200}
