"""The tests' broker tells the lengths of its queues as rabbitmqctl does, however many there are."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.rabbit
MANY = 60
DECLARE = """[rabbit_amqqueue:declare({resource, <<"lengths">>, queue, iolist_to_binary(["compute.h-", integer_to_list(N), "_fanout_0123456789"])},
              true, false, [], none, <<"test">>) || N <- lists:seq(1, 60)]."""


def test_all_queues_are_told_with_their_lengths(rabbit):
    rabbit.run_ctl("add_vhost", "lengths")
    assert rabbit.lengths("lengths") == {}

    rabbit.run_ctl("eval", DECLARE)

    told = rabbit.run_ctl("list_queues", "--vhost", "lengths", "--no-table-headers", "name", "messages").splitlines()
    assert len(told) == MANY
    assert rabbit.lengths("lengths") == {name: int(count) for name, count in (line.split("\t") for line in told)}
