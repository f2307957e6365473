"""Tickets: one image, one host, until a time; and what the service does with them."""

from __future__ import annotations

import stat

import pytest
from unit.image.archives import archive, descriptor

from nova_lite import errors
from nova_lite.clock import SimulatedClock, SystemClock
from nova_lite.image import service
from nova_lite.image.tickets import Moment, Tickets, Use, ensure_key, key_file, read_key
from nova_lite.model.image import ImageStatus

IMAGE = "0f4a3a3e-2a0e-4a0b-9b3e-000000000001"


class Desk:
    """Tickets under a clock."""

    def __init__(self, tickets, clock):
        self.tickets, self.clock = tickets, clock

    def moment(self):
        return Moment(self.clock.monotonic(), self.clock.boot_id())

    def issue(self, image_id, host, valid_s):
        return self.tickets.issue(image_id, host, self.moment(), valid_s)

    def check(self, ticket, image_id):
        return self.tickets.check(ticket, image_id, self.moment())


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def tickets(tmp_path, clock):
    ensure_key(key_file(tmp_path))
    return Desk(Tickets(key_file(tmp_path)), clock)


def test_a_ticket_opens_its_image_until_its_end(tickets, clock):
    ticket = tickets.issue(IMAGE, "host-1.example", 60)

    assert tickets.check(ticket, IMAGE) == "host-1.example"
    clock.sleep(60)
    assert tickets.check(ticket, IMAGE) == "host-1.example"
    clock.sleep(2)
    with pytest.raises(errors.Unauthorized):
        tickets.check(ticket, IMAGE)


def test_a_ticket_opens_no_other_image(tickets):
    with pytest.raises(errors.Unauthorized):
        tickets.check(tickets.issue(IMAGE, "h", 60), IMAGE.replace("1", "2"))


def test_a_ticket_to_fill_an_image_does_not_open_it_and_the_other_way_round(tickets):
    moment = tickets.moment()
    for use, other in ((Use.DOWNLOAD, Use.UPLOAD), (Use.UPLOAD, Use.DOWNLOAD)):
        ticket = tickets.tickets.issue(IMAGE, "h", moment, 60, use)

        assert tickets.tickets.check(ticket, IMAGE, moment, use) == "h"
        with pytest.raises(errors.Unauthorized):
            tickets.tickets.check(ticket, IMAGE, moment, other)


def test_a_longer_time_or_another_host_cannot_be_written_in(tickets):
    end, host, mac = tickets.issue(IMAGE, "h", 60).split(".")

    for forged in (f"{int(end) + 1}.{host}.{mac}", f"{end}.aG9zdA.{mac}", f"{end}.{host}.{mac[:-1]}", f"{end}.{host}.{mac}x"):
        with pytest.raises(errors.Unauthorized):
            tickets.check(forged, IMAGE)


@pytest.mark.parametrize(
    "nonsense", ["", ".", "..", "...", "a.b.c", "٣.aA.x", "1.é.x", "9" * 2000, "-1.aA.x", "1e9.aA.x", "1.//8.x"]
)
def test_nonsense_is_no_ticket(tickets, nonsense):
    with pytest.raises(errors.Unauthorized):
        tickets.check(nonsense, IMAGE)


def test_another_clouds_ticket_is_refused(tickets, tmp_path, clock):
    ensure_key(key_file(tmp_path / "other"))

    with pytest.raises(errors.Unauthorized):
        tickets.check(Desk(Tickets(key_file(tmp_path / "other")), clock).issue(IMAGE, "h", 60), IMAGE)


def test_the_key_is_made_once_and_is_its_owners(tmp_path):
    path = key_file(tmp_path)
    ensure_key(path)
    first = read_key(path)
    ensure_key(path)

    assert read_key(path) == first
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


@pytest.mark.parametrize("content", ["", "zz", "00" * 31])
def test_a_key_that_is_none_is_told(tmp_path, content):
    path = tmp_path / "tickets.key"
    path.write_text(content)

    with pytest.raises(errors.ConfigError):
        read_key(path)
    with pytest.raises(errors.ConfigError):
        read_key(tmp_path / "missing")


def test_a_source_says_what_was_recorded_and_its_ticket_opens_the_image(make_image, upload, images):
    image = make_image()
    upload(image, b"hello")

    source = images.source_for(image.id, "h1", valid_s=60)

    assert (source.size_bytes, source.virtual_size_bytes, source.disk_format) == (5, 5, "raw")
    assert source.url == f"http://cloud.test/image/v2/images/{image.id}/file"
    assert source.ticket not in source.url
    assert images.ticketed(source.ticket, image.id).sha512 == source.sha512


def test_only_an_active_disk_is_a_source(make_image, upload, images):
    layers, machine = make_image(container_format="docker"), make_image(container_format="ova")
    upload(layers, bytes(257) + b"ustar" + bytes(300))
    upload(machine, archive(("vm.ovf", descriptor("disk")), ("disk", bytes(1024))))

    for image in (make_image(), make_image(status=ImageStatus.DEACTIVATED), layers, machine):
        with pytest.raises(errors.Conflict):
            images.source_for(image.id, "h1", valid_s=60)
    with pytest.raises(errors.NotFound):
        images.source_for("nothing", "h1", valid_s=60)


def test_a_kernel_has_a_size_at_most_and_a_disk_has_none(make_image, upload, images, monkeypatch):
    monkeypatch.setattr(service, "MOST_BOOT_BYTES", 5)
    fits, big = make_image(), make_image()
    upload(fits, b"hello")
    upload(big, b"hello!")

    assert images.source_for(fits.id, "h1", valid_s=60, disk=False).size_bytes == 5
    with pytest.raises(errors.Conflict, match="too big"):
        images.source_for(big.id, "h1", valid_s=60, disk=False)
    assert images.source_for(big.id, "h1", valid_s=60).size_bytes == 6


def test_a_target_fills_its_image_and_no_other(make_image, images):
    image, other = make_image(), make_image()

    target = images.target_for(image.id, "h1", valid_s=60)

    assert target.url == f"http://cloud.test/image/v2/images/{image.id}/file"
    assert images.fillable(target.ticket, image.id).id == image.id
    for take in (lambda: images.fillable(target.ticket, other.id), lambda: images.ticketed(target.ticket, image.id)):
        with pytest.raises(errors.Unauthorized):
            take()


def test_an_image_that_has_its_bytes_is_no_target(make_image, upload, images):
    image = make_image()
    upload(image, b"hello")

    with pytest.raises(errors.Conflict):
        images.target_for(image.id, "h1", valid_s=60)
    with pytest.raises(errors.NotFound):
        images.target_for("nothing", "h1", valid_s=60)


def test_discarding_takes_the_bytes_too_and_may_be_repeated(make_image, upload, images, database):
    image, protected = make_image(), make_image(protected=True)
    upload(image, b"hello")

    assert database.transact(lambda tx: images.discard(tx, image.id))
    assert not database.transact(lambda tx: images.discard(tx, image.id))
    assert not database.transact(lambda tx: images.discard(tx, protected.id))
    assert images.store.sweep(set()).orphans == 0


def test_own_active_images_are_listed_by_their_properties_newest_first(make_image, upload, images, database):
    mine = [make_image(properties={"a": "1", "b": str(number)}, created_at=number) for number in range(3)]
    make_image(properties={"a": "1"})  # queued
    for image in (*mine, make_image(properties={"a": "1"}, owner="q"), make_image(properties={"a": "2"})):
        upload(image, b"hello")

    with database.read() as tx:
        found = images.list_own(tx, "p", {"a": "1"})

    assert [image.id for image in found] == [image.id for image in reversed(mine)]


def test_a_project_gets_what_it_may_use(make_image, images):
    image = make_image()

    assert images.get_for("p", image.id).name == "tiny"
    assert images.get_for("q", image.id, admin=True).name == "tiny"
    with pytest.raises(errors.NotFound):
        images.get_for("q", image.id)


class Skewed(SystemClock):
    """A clock whose time of day is wrong."""

    def __init__(self, by_s):
        self.by_s = by_s

    def wall(self):
        return super().wall() + self.by_s


@pytest.mark.parametrize("by_s", [-3600, -60, 60, 3600])
def test_a_ticket_is_good_whatever_time_of_day_its_issuer_thinks_it_is(make_image, upload, images, database, by_s):
    image = make_image()
    upload(image, b"hello")
    here = database.clock

    database.clock = Skewed(by_s)
    ticket = images.source_for(image.id, "h1", valid_s=30).ticket
    over = images.source_for(image.id, "h1", valid_s=-30).ticket
    database.clock = here

    assert images.ticketed(ticket, image.id).id == image.id
    with pytest.raises(errors.Unauthorized):
        images.ticketed(over, image.id)


def test_a_ticket_of_an_earlier_boot_is_over(tickets, clock):
    ticket = tickets.issue(IMAGE, "h", 60)

    clock.boot = "another"

    with pytest.raises(errors.Unauthorized):
        tickets.check(ticket, IMAGE)
