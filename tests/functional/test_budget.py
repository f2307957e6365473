"""What a boot costs: statements and messages are counted, from the request to ACTIVE (one port, an image in the cache)."""

from __future__ import annotations

import collections
import time

BACKGROUND = {"heartbeat", "self_test", "register", "welcome"}
STATEMENTS_AT_MOST = 32
MESSAGES_AT_MOST = 8


def is_beat(statement: str) -> bool:
    """Whether it is a sign of life or a look at all hosts, which come every few seconds."""
    return statement.startswith("UPDATE services") or "coalesce(anon_1.owed" in statement and "hosts.name = " not in statement


def test_a_boot_stays_within_its_budget(cloud):
    image = cloud.image()
    first = cloud.boot(image)
    cloud.wait_for(first, "ACTIVE")
    time.sleep(2.5)
    cloud.statements.clear()
    time.sleep(2.5)
    idle = set(cloud.statements)  # what the polls, beats and renewals say when nothing is to be done
    cloud.statements.clear()
    sent_before = len(cloud.broker.sent)

    server_id = cloud.boot(image)
    until = time.monotonic() + 30
    while server_id not in cloud.guests("h1") | cloud.guests("h2"):
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(1.5)  # the acknowledgement and the last recording; reading the server would count

    counted = [statement for statement in cloud.statements if statement not in idle and not is_beat(statement)]
    messages = [letter.method for letter in cloud.broker.sent[sent_before:] if letter.method not in BACKGROUND]
    assert cloud.server(server_id)["status"] == "ACTIVE"
    told = "\n".join(" ".join(statement.split())[:150] for statement in counted)
    locks = [statement for statement in counted if statement.startswith("SELECT subnets.id") and "FOR UPDATE" in statement]
    assert len(locks) == (0 if cloud.database.dialect == "sqlite" else 1)  # a server's only: SQLite's writers come one by one
    assert len(counted) - len(locks) <= STATEMENTS_AT_MOST, f"{len(counted)} statements:\n{told}"
    assert len(messages) <= MESSAGES_AT_MOST, collections.Counter(messages)
    print(f"a boot: {len(counted)} statements, {len(messages)} messages {messages}\n{told}")  # noqa: T201
