"""What other services are told of images: Glance's names and payloads, in the transaction of the change."""

from __future__ import annotations

import json

import pytest

from nova_lite import errors
from nova_lite.api.image import patch
from nova_lite.db.tables.outbox import outbox
from nova_lite.image import records, staging
from nova_lite.image.records import Contents
from nova_lite.rpc.notifier import place_of

BYTES = {"Content-Type": "application/octet-stream"}
WEB = {"method": {"name": "web-download", "uri": "http://example.org/x"}}
RAW = {"disk_format": "raw", "container_format": "bare"}
IMAGE_FIELDS = {
    *("id", "name", "status", "created_at", "updated_at", "min_disk", "min_ram", "protected", "checksum", "owner"),
    *("disk_format", "container_format", "size", "virtual_size", "is_public", "visibility", "properties", "tags"),
    *("deleted", "deleted_at"),
}


def rows(client):
    with client.parts.database.read() as tx:
        return [dict(row) for row in tx.execute(outbox.select().order_by(outbox.c.id)).mappings()]


def events(client):
    return [row["event_type"] for row in rows(client)]


def create(client, **fields):
    return client.simulate_post("/image/v2/images", json=RAW | fields).json["id"]


def test_an_images_life_is_told(told):
    image = create(told, name="n", colour="red", tags=["t"])
    change = json.dumps([{"op": "replace", "path": "/name", "value": "m"}])
    told.simulate_patch(f"/image/v2/images/{image}", body=change, headers={"Content-Type": patch.NEW})
    told.simulate_put(f"/image/v2/images/{image}/file", body=b"hello", headers=BYTES)
    told.simulate_post(f"/image/v2/images/{image}/actions/deactivate")
    told.simulate_put(f"/image/v2/images/{image}/tags/new")
    told.simulate_delete(f"/image/v2/images/{image}")

    assert events(told) == [
        *("image.create", "image.update"),
        *("image.update", "image.prepare", "image.upload", "image.activate", "image.update"),
        *("image.update", "image.update", "image.delete"),
    ]
    found = rows(told)
    assert {row["priority"] for row in found} == {"INFO"}
    assert all(set(row["payload"]) == IMAGE_FIELDS for row in found)
    assert [row["payload"]["status"] for row in found[3:6]] == ["saving", "active", "active"]
    assert found[0]["payload"]["properties"] == {"colour": "red"}
    assert (found[-1]["payload"]["deleted"], found[-1]["payload"]["tags"]) == (True, ["new", "t"])
    assert len({row["message_id"] for row in found}) == len(found)


def test_an_upload_that_comes_to_nothing_is_told_as_an_error(told):
    image = create(told)

    refused = told.simulate_put(f"/image/v2/images/{image}/file", body=b"hello", headers=BYTES | {"Content-MD5": "0" * 32})

    assert refused.status_code == 400
    assert events(told)[-2:] == ["image.upload", "image.update"]
    failed, after = rows(told)[-2:]
    assert failed["priority"] == "ERROR" and image in failed["payload"]
    assert (after["priority"], after["payload"]["status"]) == ("INFO", "queued")


@pytest.mark.parametrize("body", [{"disk_format": "egg"}, {"checksum": "x"}, {"name": 5}, {"id": "no"}])
def test_what_is_refused_is_not_told(told, body):
    got = told.simulate_post("/image/v2/images", json=body)

    assert got.status_code in (400, 403)
    assert events(told) == []


def test_what_is_rolled_back_is_not_told(told):
    image = create(told)
    before = len(events(told))

    def work(tx):
        records.begin_upload(tx, image, "u")
        raise errors.Conflict("no")

    with pytest.raises(errors.Conflict):
        told.parts.database.transact(work)

    assert len(events(told)) == before


def test_members_are_told(told):
    image = create(told, visibility="shared")
    path = f"/image/v2/images/{image}/members"
    told.simulate_post(path, json={"member": "other"})
    told.simulate_put(f"{path}/other", json={"status": "accepted"}, headers={"X-Auth-Token": "member@other"})
    told.simulate_delete(f"{path}/other")
    missing = told.simulate_delete(f"{path}/other")

    assert missing.status_code == 404
    assert events(told)[1:] == ["image.member.create", "image.member.update", "image.member.delete"]
    found = [row["payload"] for row in rows(told)[1:]]
    assert [one["status"] for one in found] == ["pending", "accepted", "accepted"]
    assert {one["member_id"] for one in found} == {"other"} and {one["image_id"] for one in found} == {image}
    assert [one["deleted"] for one in found] == [False, False, True]


def test_an_import_is_told_as_image_and_as_task_and_nothing_of_its_source(told):
    image = create(told)

    accepted = told.simulate_post(f"/image/v2/images/{image}/import", json=WEB)
    contents = Contents(location="file/x", size_bytes=1, virtual_size_bytes=1, md5="m", sha512="s")
    database = told.parts.database
    assert database.transact(lambda tx: staging.begin_fetch(tx, image, "fetch", None))
    assert database.transact(lambda tx: staging.finish(tx, image, "fetch", contents))
    assert database.transact(lambda tx: staging.adopt(tx, image))

    assert accepted.status_code == 202
    assert events(told)[1:] == [
        *("image.update", "image.prepare", "task.create", "task.run", "image.upload", "image.activate", "image.update")
    ]
    found = rows(told)
    assert all("example.org" not in str(row["payload"]) and "file/x" not in str(row["payload"]) for row in found)
    task = next(row["payload"] for row in found if row["event_type"] == "task.create")
    assert (task["type"], task["status"], task["owner"]) == ("api_image_import", "pending", "p")


def test_an_import_that_fails_is_told(told):
    image = create(told)
    told.simulate_post(f"/image/v2/images/{image}/import", json=WEB)

    told.parts.database.transact(lambda tx: staging.give_up_import(tx, image, "file"))

    assert [(row["event_type"], row["priority"]) for row in rows(told)[-2:]] == [
        ("image.upload", "ERROR"),
        ("image.update", "INFO"),
    ]


def test_metadata_definitions_are_told(told):
    base = "/image/v2/metadefs/namespaces"
    colour = {"name": "colour", "type": "string", "title": "Colour", "enum": ["red"]}
    told.simulate_post(base, json={"namespace": "N", "resource_type_associations": [{"name": "T"}], "tags": [{"name": "a"}]})
    told.simulate_put(f"{base}/N", json={"namespace": "M"})
    told.simulate_post(f"{base}/M/properties", json=colour)
    told.simulate_put(f"{base}/M/properties/colour", json=colour | {"name": "tint"})
    told.simulate_post(f"{base}/M/objects", json={"name": "O", "properties": {"p": {"type": "string", "title": "P"}}})
    told.simulate_delete(f"{base}/M/objects/O")
    told.simulate_delete(f"{base}/M/properties")
    told.simulate_post(f"{base}/M/tags", json={"tags": [{"name": "b"}, {"name": "c"}]}, headers={"X-OpenStack-Append": "True"})
    told.simulate_delete(f"{base}/M/resource_types/T")
    told.simulate_delete(f"{base}/M")

    assert events(told) == [
        *("metadef_namespace.create", "metadef_resource_type.create", "metadef_tag.create", "metadef_namespace.update"),
        *("metadef_property.create", "metadef_property.update", "metadef_object.create", "metadef_object.delete"),
        *("metadef_namespace.delete_properties", "metadef_tag.create", "metadef_tag.create"),
        *("metadef_resource_type.delete", "metadef_namespace.delete"),
    ]
    found = [row["payload"] for row in rows(told)]
    assert (found[3]["namespace"], found[3]["namespace_old"]) == ("M", "N")
    assert (found[5]["name"], found[5]["name_old"], found[5]["enum"], found[5]["default"]) == ("tint", "colour", ["red"], None)
    assert found[6]["properties"][0]["name"] == "p"
    assert [one["deleted"] for one in found[7:9]] == [True, False]


def test_nothing_is_written_where_nobody_listens(told):
    told.parts.database.announces = False

    image = create(told)
    told.simulate_put(f"/image/v2/images/{image}/file", body=b"hello", headers=BYTES)
    told.simulate_delete(f"/image/v2/images/{image}")

    assert events(told) == []


@pytest.mark.parametrize(
    ("event_type", "place"),
    [
        ("instance.create.end", ("nova", "versioned_notifications")),
        ("image.create", ("glance", "notifications")),
        ("task.failure", ("glance", "notifications")),
        ("metadef_tag.create", ("glance", "notifications")),
    ],
)
def test_each_event_goes_where_the_original_sends_it(event_type, place):
    assert place_of(event_type) == place


def test_what_a_client_downloads_is_counted_shown_and_told(told):
    image = create(told)
    told.simulate_put(f"/image/v2/images/{image}/file", body=b"hello", headers=BYTES)
    got = told.simulate_get(f"/image/v2/images/{image}/file")
    part = told.simulate_get(f"/image/v2/images/{image}/file", headers={"Range": "bytes=0-1"})
    told.simulate_head(f"/image/v2/images/{image}/file")
    told.simulate_get(f"/image/v2/images/{image}/file", headers={"Range": "bytes=9-"})
    told.parts.images.usage.flush()

    assert (got.content, part.content) == (b"hello", b"he")
    usage = told.simulate_get("/image/v2/info/usage").json["usage"]
    assert usage["image_count_downloads"] == {"limit": -1, "usage": 1}
    assert usage["image_sent_total"] == {"limit": -1, "usage": 1}
    assert usage["image_store_total:file"] == {"limit": -1, "usage": 1}
    assert 'nova_lite_image_bytes_kept{store="file"} 5.0' in told.simulate_get("/metrics").text
    sends = [row["payload"] for row in rows(told) if row["event_type"] == "image.send"]
    assert [(one["bytes_sent"], one["receiver_user_id"]) for one in sends] == [(5, "u"), (2, "u")]
