"""In which form image data go and come: parts, validators, codings."""

from __future__ import annotations

import gzip
import hashlib

import pytest
import zstandard

DATA = b"0123456789" * 1000
TAG = f'"{hashlib.sha512(DATA).hexdigest()}"'
BYTES = {"Content-Type": "application/octet-stream"}
DECODE = {"gzip": gzip.decompress, "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)}


@pytest.fixture
def file(api, queued):
    path = queued()
    assert api.simulate_put(path, body=DATA, headers=BYTES).status_code == 204
    return path


def test_a_download_names_its_bytes(api, file):
    got = api.simulate_get(file)

    assert (got.status_code, got.content) == (200, DATA)
    assert got.headers["etag"] == TAG
    assert got.headers["content-md5"] == hashlib.md5(DATA).hexdigest()
    assert got.headers["content-length"] == str(len(DATA))


@pytest.mark.parametrize("known", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_who_has_the_bytes_is_told_so(api, file, known):
    got = api.simulate_get(file, headers={"If-None-Match": known})

    assert (got.status_code, got.content, got.headers["etag"]) == (304, b"", TAG)


def test_who_has_other_bytes_gets_these(api, file):
    assert api.simulate_get(file, headers={"If-None-Match": '"other"'}).content == DATA


@pytest.mark.parametrize(
    ("condition", "status"),
    [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Sat, 28 Nov 2026 12:00:00 GMT", 200)],
)
def test_a_part_is_sent_only_of_the_bytes_that_the_client_has(api, file, condition, status):
    got = api.simulate_get(file, headers={"Range": "bytes=5-9", "If-Range": condition})

    assert (got.status_code, got.content) == (status, DATA[5:10] if status == 206 else DATA)


@pytest.mark.parametrize("text", ["bytes=0-1,4-5", "bytes=0-1, 4-5", "bytes=0-1,-3", "bytes=,"])
def test_several_ranges_are_refused(api, file, text):
    assert api.simulate_get(file, headers={"Range": text}).status_code == 400


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("zstd, identity;q=0.5", "zstd"),
        ("gzip, identity;q=0", "gzip"),
        ("x-gzip, identity;q=0", "gzip"),
        ("gzip;q=0.9, zstd;q=0.8, identity;q=0.1", "gzip"),
        ("gzip, zstd, identity;q=0.1", "zstd"),
        ("zstd, *;q=0", "zstd"),
        ("ZSTD, Identity; q=0.001", "zstd"),
    ],
)
def test_who_ranks_a_coding_above_plain_bytes_gets_it(api, file, accept, coding):
    got = api.simulate_get(file, headers={"Accept-Encoding": accept})

    assert (got.status_code, got.headers["content-encoding"]) == (200, coding)
    assert DECODE[coding](got.content) == DATA
    assert len(got.content) < len(DATA) / 10
    assert "content-md5" not in got.headers
    assert got.headers["etag"] == f'{TAG[:-1]}-{coding}"'
    assert got.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accept",
    ["gzip, deflate, br, zstd", "gzip", "zstd", "*", "identity", "gzip;q=0.5, identity", "gzip;q=nonsense, identity;q=0.5",
     "", ";;,,=", "gzip;q=0.5, identity;q=0.5"],
)  # fmt: skip
def test_who_does_not_gets_the_bytes_as_they_are(api, file, accept):
    got = api.simulate_get(file, headers={"Accept-Encoding": accept})

    assert "content-encoding" not in got.headers
    assert got.content == DATA


def test_who_excludes_all_that_there_is_gets_nothing(api, file):
    assert api.simulate_get(file, headers={"Accept-Encoding": "br, identity;q=0"}).status_code == 406


def test_a_part_and_a_head_are_never_coded(api, file):
    coded = {"Accept-Encoding": "zstd, identity;q=0"}

    part = api.simulate_get(file, headers={**coded, "Range": "bytes=5-9"})
    other = api.simulate_get(file, headers={**coded, "Range": "bytes=5-9", "If-Range": '"other"'})
    head = api.simulate_head(file, headers=coded)

    assert (part.status_code, part.content) == (206, DATA[5:10])
    assert (other.status_code, other.content) == (200, DATA)
    assert head.headers["content-length"] == str(len(DATA))


@pytest.mark.parametrize("coding", ["gzip", "zstd", "x-gzip", "GZIP"])
@pytest.mark.parametrize("more", [{}, {"X-OpenStack-Image-Size": str(len(DATA))}])
def test_an_image_that_is_sent_coded_is_kept_plain(api, queued, coding, more):
    path = queued()
    body = zstandard.ZstdCompressor().compress(DATA) if coding == "zstd" else gzip.compress(DATA, mtime=0)
    digest = {"Content-MD5": hashlib.md5(body).hexdigest()}

    got = api.simulate_put(path, body=body, headers={**BYTES, "Content-Encoding": coding, **digest, **more})

    assert got.status_code == 204
    assert api.simulate_get(path).content == DATA
    assert api.simulate_get(path.removesuffix("/file")).json["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Encoding": "br"}, DATA, 415),
        ({"Content-Encoding": "gzip, zstd"}, DATA, 415),
        ({"Content-Encoding": "gzip"}, DATA, 400),
        ({"Content-Encoding": "zstd"}, gzip.compress(DATA, mtime=0), 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(DATA, mtime=0)[:-3], 400),
        ({"Content-Encoding": "gzip", "X-OpenStack-Image-Size": "9999"}, gzip.compress(DATA, mtime=0), 413),
        ({"Content-Encoding": "gzip", "X-OpenStack-Image-Size": "10001"}, gzip.compress(DATA, mtime=0), 400),
        ({"Content-Encoding": "gzip", "Content-MD5": "0" * 32}, gzip.compress(DATA, mtime=0), 400),
        ({"Content-Encoding": "gzip", "Content-Range": "bytes 0-9/100"}, b"0123456789", 400),
    ],
    ids=["unknown", "two", "plain", "other", "cut", "too long", "too short", "digest", "part"],
)
def test_a_coded_body_that_is_wrong_leaves_nothing(api, queued, tmp_path, headers, body, status):
    path = queued()

    got = api.simulate_put(path, body=body, headers=BYTES | headers)

    assert got.status_code == status
    assert api.simulate_get(path.removesuffix("/file")).json["status"] == "queued"
    assert [found for found in (tmp_path / "store").rglob("*") if found.is_file()] == []
