"""RabbitMQ and libvirt of the machine: found when they answer, never touched when they are somebody else's."""

from __future__ import annotations

import socket
import threading

import pytest

from nova_lite import errors
from nova_lite.cli import machine_services
from nova_lite.cli.footprint import Footprint


@pytest.fixture
def broker():
    """A port that answers as RabbitMQ does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(8)
                connection.sendall(b"AMQP\0\0\x09\x01")

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()
    listener.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("", ("127.0.0.1", 5672)),
        ("amqp://u:p@broker.example/v", ("broker.example", 5672)),
        ("amqps://u:p@one:5699,u:p@two:5699/v", ("one", 5699)),
        ("amqps://u:p@one/v", ("one", 5671)),
    ],
)
def test_address_is_the_first_of_the_url(url, address):
    assert machine_services.address_of(url) == address


def test_running_broker_is_left_alone(broker, tmp_path):
    footprint = Footprint(tmp_path)

    assert machine_services.ensure_rabbitmq(broker, footprint) == "runs"
    assert footprint.names(machine_services.STARTED) == ()


def test_broker_elsewhere_is_not_started(tmp_path):
    footprint = Footprint(tmp_path)

    with pytest.raises(errors.Unavailable, match=r"broker at 127\.0\.0\.2:1 does not answer"):
        machine_services.ensure_rabbitmq(("127.0.0.2", 1), footprint)
    assert footprint.names(machine_services.STARTED) == ()


def test_another_service_on_the_port_is_not_a_broker():
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up():
        connection, _ = listener.accept()
        connection.close()

    threading.Thread(target=hang_up, daemon=True).start()

    assert not machine_services._answers(*listener.getsockname())
    listener.close()


def test_only_what_was_started_is_stopped(tmp_path, monkeypatch):
    stopped = []
    monkeypatch.setattr(machine_services, "_stop", stopped.append)
    footprint = Footprint(tmp_path)
    for name in (machine_services.RABBITMQ, machine_services.VIRTLOGD, machine_services.LIBVIRT):
        footprint.add(machine_services.STARTED, name)

    machine_services.stop_started(footprint, others_use_libvirt=lambda: False)
    machine_services.stop_started(footprint, others_use_libvirt=lambda: False)

    assert stopped == ["libvirtd", "virtlogd", "rabbitmq-server"]


def test_libvirt_stays_while_others_have_guests(tmp_path, monkeypatch):
    stopped = []
    monkeypatch.setattr(machine_services, "_stop", stopped.append)
    footprint = Footprint(tmp_path)
    for name in (machine_services.RABBITMQ, machine_services.LIBVIRT):
        footprint.add(machine_services.STARTED, name)

    machine_services.stop_started(footprint, others_use_libvirt=lambda: True)

    assert stopped == ["rabbitmq-server"]


def test_pid_file_of_an_ended_process_ends_no_other(tmp_path):
    pid_file = tmp_path / "libvirtd.pid"
    pid_file.write_text("1")  # PID 1 is not libvirtd

    machine_services._end(pid_file, "libvirtd")
    machine_services._end(tmp_path / "none.pid", "libvirtd")
