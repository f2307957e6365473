"""Coded bodies: whole ones come out as they went in, others are refused, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc

import pytest
import zstandard

from nova_lite import errors
from nova_lite.image import encodings
from nova_lite.image.encodings import Decoded, Encoded

DATA = b"".join(hashlib.sha512(str(number).encode()).digest() + bytes(200) for number in range(20_000))
CODE = {"gzip": lambda data: gzip.compress(data, 1), "zstd": zstandard.ZstdCompressor().compress}


def decoded(body, coding, size=65_536, **more):
    stream = Decoded(io.BytesIO(body).read, coding, **more)
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("coding", encodings.CODINGS)
@pytest.mark.parametrize("data", [DATA, b"x", b""])
def test_what_is_coded_comes_back(coding, data):
    coded = b"".join(Encoded(io.BytesIO(data), coding))

    assert decoded(coded, coding) == data
    assert decoded(CODE[coding](data), coding, size=7 if len(data) < 10 else 100_000) == data


@pytest.mark.parametrize("coding", encodings.CODINGS)
def test_members_one_behind_the_other_are_one_body(coding):
    body = CODE[coding](DATA[:1000]) + CODE[coding](b"") + CODE[coding](DATA[1000:])

    assert decoded(body, coding) == DATA


@pytest.mark.parametrize("coding", encodings.CODINGS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: b"",
        lambda body: b"plain" + body,
        lambda body: body + b"more",
        lambda body: body[:10_000] + bytes([body[10_000] ^ 255]) + body[10_001:],
    ],
)
def test_a_damaged_stream_is_refused(coding, spoil):
    body = b"".join(Encoded(io.BytesIO(DATA), coding))  # with a checksum

    with pytest.raises(errors.BadRequest):
        decoded(spoil(body), coding)


@pytest.mark.parametrize("coding", encodings.CODINGS)
def test_no_more_comes_out_than_was_announced(coding):
    body = CODE[coding](DATA)

    assert decoded(body, coding, most=len(DATA)) == DATA
    with pytest.raises(errors.TooLarge):
        decoded(body, coding, most=len(DATA) - 1)


@pytest.mark.parametrize("coding", encodings.CODINGS)
def test_a_bomb_is_refused_and_takes_little_memory(coding, monkeypatch):
    monkeypatch.setattr(encodings, "UNANNOUNCED_BYTES", 8 << 20)
    monkeypatch.setattr(encodings, "UNANNOUNCED_TIMES", 10)
    body = CODE[coding](bytes(96 << 20))
    tracemalloc.start()

    with pytest.raises(errors.TooLarge):
        decoded(body, coding)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 << 20


def test_a_zstd_stream_that_asks_for_much_memory_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    coder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = coder.compress(DATA) + coder.flush()

    with pytest.raises(errors.BadRequest, match="memory"):
        decoded(body, "zstd")


@pytest.mark.parametrize("name", ["md5", "sha512"])
def test_digests_are_of_the_body_as_it_is_sent(name):
    body = CODE["gzip"](DATA)

    assert decoded(body, "gzip", digests={name: hashlib.new(name, body).hexdigest().upper()}) == DATA
    with pytest.raises(errors.BadRequest):
        decoded(body, "gzip", digests={name: hashlib.new(name, DATA).hexdigest()})
