"""Services of the tests' own, one for each test process, started when the first test asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from real.chromium import Chromium
from real.keystone import Keystone, environment_folder
from real.rabbit import Rabbit, installation

from nova_lite.db import schema
from nova_lite.db.engine import Database

SERVERS = [pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("mariadb", marks=pytest.mark.mariadb)]


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Rabbit]:
    """A running RabbitMQ; a test that stops it starts it again. Use virtual hosts of your own: `rabbit.options(name)`."""
    if installation() is None:
        pytest.skip("RabbitMQ is not installed (Debian package rabbitmq-server)")
    node = Rabbit()
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="module")
def keystone() -> Iterator[Keystone]:
    """A running Keystone with its own users; a test that stops it starts it again."""
    if environment_folder() is None:
        pytest.skip("Keystone is not installed: ./run-tests puts it into .venv-keystone")
    server = Keystone()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def browser() -> Iterator[Chromium]:
    """A page of a Chromium of its own."""
    made = Chromium()
    yield made
    made.close()


@pytest.fixture(params=SERVERS)
def server(request):
    """PostgreSQL and MariaDB in turn; the test leaves it running."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def url(server):
    """The URL of a database without tables."""
    with server.database() as url:
        yield url


@pytest.fixture
def database(url):
    """A database with all tables, without rows."""
    database = Database(url)
    schema.create_all(database)
    yield database
    database.dispose()
