"""What a guest is told of itself."""

from __future__ import annotations

import base64
import dataclasses
import io
import json

import pycdlib
import pytest
from unit.compute.stage import SERVER, interface, key, spec

from nova_lite.compute import metadata
from nova_lite.compute.disks import configdrive
from nova_lite.compute.specs import GuestSpecs
from nova_lite.model.guest import HostRoute, InjectedFile

FULL = spec(
    hostname="web.example",
    metadata={"role": "front"},
    keys=(key(),),
    user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
    admin_pass="hunter2",
    interfaces=(interface(),),
    launch_index=2,
    reservation_id="r-1",
)


def read_json(path, of=FULL):
    return json.loads(metadata.lookup(of, path))


def test_meta_data_names_the_server_its_keys_and_its_owner_words():
    document = read_json("/openstack/latest/meta_data.json")

    assert (document["uuid"], document["hostname"], document["launch_index"]) == (SERVER, "web.example", 2)
    assert document["meta"] == {"role": "front"}
    assert document["public_keys"] == {"mine": "ssh-ed25519 AAAA me\n"}
    assert document["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA me\n"}]


def test_a_tagged_interface_is_told_to_the_guest_by_its_mac():
    tagged = dataclasses.replace(FULL, interfaces=(interface(), dataclasses.replace(interface(), tag="storage")))

    assert read_json("/openstack/latest/meta_data.json")["devices"] == []
    assert read_json("/openstack/latest/meta_data.json", tagged)["devices"] == [
        {"type": "nic", "bus": "none", "address": "none", "mac": interface().mac_address, "tags": ["storage"]}
    ]


def test_files_stand_on_the_config_drive_and_are_not_served():
    brought = dataclasses.replace(
        FULL, files=(InjectedFile(path="/a", contents="YQ=="), InjectedFile(path="/b", contents="Yg=="))
    )

    drive = metadata.config_drive(brought)

    named = json.loads(drive["openstack/latest/meta_data.json"])["files"]
    assert [(file["path"], drive[f"openstack{file['content_path']}"]) for file in named] == [("/a", b"a"), ("/b", b"b")]
    assert "files" not in read_json("/openstack/latest/meta_data.json", brought)


def test_the_password_is_on_the_config_drive_and_never_served():
    served = metadata.lookup(FULL, "/openstack/latest/meta_data.json")
    drive = metadata.config_drive(FULL)["openstack/latest/meta_data.json"]

    assert b"hunter2" not in served
    assert json.loads(drive)["admin_pass"] == "hunter2"


def test_network_data_names_links_networks_and_resolvers():
    document = read_json("openstack/latest/network_data.json")

    link, network = document["links"][0], document["networks"][0]
    assert (link["ethernet_mac_address"], link["mtu"], link["vif_id"]) == ("fa:16:3e:00:00:01", 1500, interface().port_id)
    assert (network["link"], network["type"]) == (link["id"], "ipv4_dhcp")
    assert document["services"] == [{"type": "dns", "address": "10.0.0.2"}]


def test_network_data_tells_an_address_and_all_routes_where_there_is_no_dhcp():
    still = dataclasses.replace(
        interface(),
        dhcp=False,
        gateway_ip="10.0.0.1",
        routes=(HostRoute(destination="10.5.0.0/16", nexthop="10.0.0.9"),),
    )
    document = read_json("openstack/latest/network_data.json", dataclasses.replace(FULL, interfaces=(still,)))

    assert document["networks"] == [
        {
            "id": "network0",
            "type": "ipv4",
            "link": document["links"][0]["id"],
            "ip_address": "10.0.0.5",
            "netmask": "255.255.255.0",
            "routes": [
                {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
                {"network": "10.5.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"},
            ],
            "network_id": still.network_id,
            "services": [{"type": "dns", "address": "10.0.0.2"}],
        }
    ]


def test_network_data_tells_no_default_route_where_there_is_no_gateway():
    still = dataclasses.replace(interface(), dhcp=False, gateway_ip=None, dns_nameservers=())
    document = read_json("openstack/latest/network_data.json", dataclasses.replace(FULL, interfaces=(still,)))

    assert document["networks"][0]["routes"] == []
    assert (document["networks"][0]["services"], document["services"]) == ([], [])


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/latest/meta-data/instance-id", b"i-11111111"),
        ("/latest/meta-data/hostname", b"web.example"),
        ("/2009-04-04/meta-data/local-ipv4", b"10.0.0.5"),
        ("/latest/meta-data/placement/availability-zone", b"nova"),
        ("/latest/meta-data/public-keys/", b"0=mine"),
        ("/latest/meta-data/public-keys/0/", b"openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", b"ssh-ed25519 AAAA me"),
        ("/latest/user-data", b"#!/bin/sh\n"),
        ("/openstack/latest/user_data", b"#!/bin/sh\n"),
        ("/latest", b"meta-data/\nuser-data"),
        ("/openstack/2012-08-10", b"meta_data.json\nuser_data"),
        ("/latest/meta-data/nothing", None),
        ("/latest/meta-data/hostname/more", None),
        ("/1999-01-01", None),
        ("/openstack/1999-01-01", None),
        ("/../etc/passwd", None),
    ],
)
def test_paths_lead_to_what_ec2_and_openstack_clients_expect(path, answer):
    assert metadata.lookup(FULL, path) == answer


def test_versions_are_listed_at_the_top():
    assert metadata.lookup(FULL, "/").split(b"\n")[-1] == b"latest"
    assert b"2018-08-27" in metadata.lookup(FULL, "/openstack").split(b"\n")


def test_without_user_data_there_is_no_such_document():
    assert metadata.lookup(spec(), "/latest/user-data") is None
    assert metadata.lookup(spec(), "/openstack/latest/user_data") is None


def test_a_config_drive_is_an_iso_with_the_documents_under_their_names():
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(configdrive.image_of(FULL)))
    content = io.BytesIO()

    iso.get_file_from_iso_fp(content, joliet_path="/openstack/latest/meta_data.json")
    with_rock_ridge = io.BytesIO()
    iso.get_file_from_iso_fp(with_rock_ridge, rr_path="/openstack/latest/user_data")

    assert json.loads(content.getvalue())["uuid"] == SERVER
    assert with_rock_ridge.getvalue() == b"#!/bin/sh\n"
    assert iso.pvd.volume_identifier.rstrip() == b"config-2"
    iso.close()


def test_every_config_drive_has_randomness_of_its_own():
    assert configdrive.image_of(FULL) != configdrive.image_of(FULL)


def test_the_hosts_copy_of_a_spec_has_no_password_and_is_for_its_owner_only(tmp_path):
    specs = GuestSpecs(tmp_path / "guests")

    specs.save(FULL)

    kept = tmp_path / "guests" / f"{SERVER}.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert b"hunter2" not in kept.read_bytes()
    assert specs.find(SERVER).metadata == {"role": "front"}


def test_a_damaged_copy_is_left_out(tmp_path):
    specs = GuestSpecs(tmp_path)
    specs.save(FULL)
    (tmp_path / "broken.json").write_text("{")

    assert [one.server_id for one in specs.list_all()] == [SERVER]
    assert specs.find("none") is None
