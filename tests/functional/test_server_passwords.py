"""The password that a guest writes: through the host and the conductor to its user, who may clear it."""

from __future__ import annotations


def password_of(cloud, server_id):
    answer = cloud.ask("GET", f"/servers/{server_id}/os-server-password")
    assert answer.status_code == 200, answer.text
    return answer.json["password"]


def test_a_guests_first_password_stays_until_its_user_clears_it(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    host = cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]
    guest = cloud.hosts[host]
    assert password_of(cloud, server_id) == ""

    guest._doors.driver.passwords(server_id, "first=")
    cloud.wait(lambda: password_of(cloud, server_id) == "first=", "the password is kept")
    guest._doors.driver.passwords(server_id, "second=")
    cloud.wait(lambda: len(guest.outbox) == 0, "the second one is acknowledged")
    assert password_of(cloud, server_id) == "first="

    assert cloud.ask("DELETE", f"/servers/{server_id}/os-server-password").status_code == 204
    assert password_of(cloud, server_id) == ""
    guest._doors.driver.passwords(server_id, "third=")
    cloud.wait(lambda: password_of(cloud, server_id) == "third=", "a cleared one may be written anew")


def test_a_host_cannot_write_the_password_of_another_hosts_guest(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    own = cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]
    (other,) = [host for name, host in cloud.hosts.items() if name != own]

    other._doors.driver.passwords(server_id, "false=")

    cloud.wait(lambda: len(other.outbox) == 0, "it is acknowledged, and dropped")
    assert password_of(cloud, server_id) == ""
