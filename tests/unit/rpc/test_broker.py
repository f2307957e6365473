"""What can be said of the broker's set-up without a broker."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.conf.broker import BrokerOptions
from nova_lite.rpc import broker


@pytest.mark.parametrize("name", ["h1", "compute-1.example.org", "a.b", "node.node2", "x" * 63])
def test_a_host_name_is_taken(name):
    broker.check_host_name(name)


@pytest.mark.parametrize("name", ["", "a.a", "node.node", "a_fanout", "h1\n", "-x", "x" * 64, "h1|.*", "../x"])
def test_what_is_no_host_name_is_refused(name):
    with pytest.raises(errors.BadRequest):
        broker.check_host_name(name)


def test_a_hosts_url_names_every_node_of_the_cluster():
    url = broker.host_url("amqps://u:p@a:5671,u:p@[::1]/nova%20lite", "h1", "se/cret")

    assert url == "amqps://host-h1:se%2Fcret@a:5671,host-h1:se%2Fcret@[::1]:5671/nova%20lite"
    assert broker.password_of(url) == "se/cret"


@pytest.mark.parametrize("url", ["", "http://u:p@h/v", "amqp://h/v", "amqp://u:secret@h", "amqp://u:secret@h:port/v", "junk"])
def test_a_url_that_is_none_is_refused_without_showing_it(url, tmp_path):
    options = BrokerOptions(url=url, url_file=tmp_path / "broker.url")

    with pytest.raises(errors.ConfigError) as caught:
        broker.add_host_user(options, "h1", ctl=broker.Ctl(command=("false",)))

    assert "secret" not in caught.value.message


def test_a_missing_rabbitmqctl_is_told(tmp_path):
    options = BrokerOptions(url="", url_file=tmp_path / "keys" / "broker.url")

    with pytest.raises(errors.ConfigError, match="rabbitmq-server"):
        broker.setup(options, broker.Ctl(command=("/nowhere/rabbitmqctl",)))

    assert (tmp_path / "keys" / "broker.url").stat().st_mode & 0o777 == 0o600


def test_a_stopped_broker_is_told(tmp_path):
    script = tmp_path / "rabbitmqctl"
    script.write_text("#!/bin/sh\nexit 69\n")
    script.chmod(0o755)
    options = BrokerOptions(url="amqp://u:p@127.0.0.1/v", url_file=tmp_path / "broker.url")

    with pytest.raises(errors.Unavailable, match="does not run"):
        broker.setup(options, broker.Ctl(command=(str(script),)))


def test_passwords_are_not_on_the_command_line(tmp_path):
    script = tmp_path / "rabbitmqctl"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; cat > {tmp_path}/input\n')
    script.chmod(0o755)
    options = BrokerOptions(url="amqp://u:secret@127.0.0.1/v", url_file=tmp_path / "broker.url")

    broker.setup(options, broker.Ctl(command=(str(script),)))

    assert "secret" not in (tmp_path / "arguments").read_text()
    assert "secret" in (tmp_path / "input").read_text()


def test_status_without_a_set_up_broker_says_so(tmp_path):
    status = broker.broker_status(BrokerOptions(url="", url_file=tmp_path / "broker.url"))

    assert not status.well
    assert "setup" in status.problem
