"""Files of web servers: asked for in parts, over few redirects, and only where that is allowed."""

from __future__ import annotations

import ipaddress

import pytest

from nova_lite import errors
from nova_lite.conf.image import ImageOptions, WebRules
from nova_lite.image.stores.http import HttpStore
from nova_lite.image.stores.registry import make_store, make_stores


def test_a_part_is_asked_for_and_no_more(http_kit):
    opened = http_kit.store.open(http_kit.put(b"0123456789"), 3, 4)
    opened.close()
    opened.close()

    assert [part for _, part in http_kit.server.asked] == ["bytes=3-6"]


def test_a_file_that_became_shorter_is_unavailable_not_the_end(http_whole_kit):
    location = http_whole_kit.put(b"0123456789")
    url = location.partition(":")[2]
    http_whole_kit.server.files["/" + url.rpartition("/")[2]] = b"0123"

    opened = http_whole_kit.store.open(location, 0, 10)

    assert opened.read() == b"0123"  # what comes is compared with the record's size and hash by who reads it


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/x", "http://169.254.169.254/x", "http://localhost:22/x", "ftp://files.test/x", "http://u:p@files.test/x"],
)
def test_where_nothing_may_be_asked_nothing_is(url):
    store = HttpStore(WebRules(), name="web", resolve=lambda host, port: ["127.0.0.1"])

    with pytest.raises(errors.NotFound):
        store.open(f"web:{url}", 0, 1)


def test_a_name_that_means_something_inside_meanwhile_is_not_asked(http_kit):
    location = http_kit.put(b"data")
    rules = WebRules(networks=(ipaddress.ip_network("127.0.0.0/8"),))
    moved = HttpStore(rules, name="web", resolve=lambda host, port: ["10.0.0.1"])

    with pytest.raises(errors.NotFound):
        moved.size(location)
    assert http_kit.server.asked == []


def test_a_url_that_the_records_cannot_keep_is_refused(http_kit):
    with pytest.raises(errors.BadRequest, match="too long"):
        http_kit.store.location_of("http://files.example/" + "x" * 500)


def test_it_is_no_default_store(tmp_path):
    with pytest.raises(errors.ConfigError, match="default"):
        make_stores(ImageOptions(store=f"web=http:,{tmp_path.as_uri()}"))


@pytest.mark.parametrize("url", ["http://example.org/", "http:/x", "http:?x=1"])
def test_it_has_no_address_of_its_own(url):
    with pytest.raises(errors.ConfigError):
        make_store(url)
