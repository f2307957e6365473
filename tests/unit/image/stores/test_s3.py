"""What S3 does besides the contract: parts, answers that are lost, writers of other machines, secrets that stay secret."""

from __future__ import annotations

import logging
import os
import uuid

import orjson
import pytest

from nova_lite import errors
from nova_lite.image.stores import s3, writers
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.registry import make_store
from nova_lite.image.stores.writers import this_process

SECRET = "not-to-be-told"
PART = 5 << 20


@pytest.fixture
def key():
    return key_of(str(uuid.uuid4()), str(uuid.uuid4()))


def read(store, location, start, length):
    opened = store.open(location, start, length)
    pieces = []
    while data := opened.read(1 << 20):
        pieces.append(data)
    opened.close()
    return b"".join(pieces)


@pytest.fixture
def half(s3_kit, key):
    """Give an upload that has sent one part of two."""
    writing = s3_kit.store.begin(key, None)
    writing.append(bytes(PART + 10))
    return writing


def uploads(kit):
    return kit.store.client().list_multipart_uploads(Bucket=kit.bucket).get("Uploads", [])


def test_a_large_image_goes_by_parts_and_comes_back(s3_kit, key):
    data = os.urandom(2 * PART + 1000)
    writing = s3_kit.store.begin(key, len(data))

    for at in range(0, len(data), 1 << 20):
        writing.append(data[at : at + (1 << 20)])
    began = len(uploads(s3_kit))
    location = writing.finalize()
    writing.close()

    assert began == 1
    assert read(s3_kit.store, location, 0, len(data)) == data
    assert read(s3_kit.store, location, PART - 5, 10) == data[PART - 5 : PART + 5]
    assert len(s3_kit.everything()) == 1


def test_a_cut_upload_frees_its_parts(s3_kit, half):
    began = len(uploads(s3_kit))

    half.close()

    assert (began, s3_kit.everything()) == (1, [])


def test_an_upload_whose_parts_were_swept_cannot_finish(s3_kit, half, key):
    s3_kit.store.abort(key, uploads(s3_kit)[0]["UploadId"])

    with pytest.raises(errors.Unavailable):
        half.finalize()
    half.close()

    assert s3_kit.everything() == []


def test_a_finish_whose_answer_was_lost_has_happened(s3_kit, half, monkeypatch):
    client = s3_kit.store.client()
    real = client.complete_multipart_upload

    def twice(**arguments):
        real(**arguments)
        return real(**arguments)  # what a retry after a lost answer does

    monkeypatch.setattr(client, "complete_multipart_upload", twice)

    assert s3_kit.store.size(half.finalize()) == PART + 10
    half.close()


def sign_of_life(kit, key, **changes):
    name = kit.store.where(s3.ALIVE + key)
    body = {**this_process(), **changes}
    kit.store.client().put_object(**name, Body=orjson.dumps(body))


@pytest.mark.parametrize(
    ("changes", "silent_s", "alive"),
    [
        ({}, 1800.0, True),  # this process, which is there, however long it was silent
        ({"pid": 2**22 + 1}, 1800.0, False),
        ({"start": "1"}, 1800.0, False),  # another process has the number now
        ({"boot": "another machine's"}, 1800.0, True),
        ({"boot": "another machine's"}, -3600.0, False),  # it was silent for too long
        ({"pids": "another container's"}, 1800.0, True),
    ],
)
def test_a_writer_lives_while_its_process_does_or_it_was_heard_of(s3_kit, key, monkeypatch, changes, silent_s, alive):
    monkeypatch.setattr(writers, "SILENT_S", silent_s)
    sign_of_life(s3_kit, key, **changes)

    assert s3_kit.store.is_alive(key) is alive


def test_a_sweep_removes_parts_and_signs_of_the_dead(s3_kit, half, key):
    alive = s3_kit.store.sweep(set())
    before = len(s3_kit.everything())
    sign_of_life(s3_kit, key, pid=2**22 + 1)

    swept = s3_kit.store.sweep(set())

    assert (alive.leftovers, before) == (0, 2)
    assert swept.leftovers == 1
    assert s3_kit.everything() == []


def test_other_objects_of_the_bucket_are_left_alone(s3_kit):
    client = s3_kit.store.client()
    s3_kit.make_all_old()
    for name in ("images/kept/README", "elsewhere/kept/x", "README"):
        client.put_object(Bucket=s3_kit.bucket, Key=name, Body=b"mine")

    s3_kit.store.sweep(set())

    assert len(s3_kit.everything()) == 3


def test_a_bucket_that_is_not_there_is_an_outage_and_no_lost_image(s3_kit, key, credentials):
    store = make_store(f"s3://nowhere-at-all?endpoint={s3_kit.endpoint}&credentials={credentials}")

    for ask in (lambda: store.begin(key, None), lambda: store.open(f"s3:{key}", 0, 1)):
        with pytest.raises(errors.Unavailable):
            ask()


def test_secrets_are_in_no_log_and_no_error(s3_kit, half, caplog):
    caplog.set_level(logging.DEBUG, logger="nova_lite")
    s3_kit.go_away()

    with pytest.raises(errors.Unavailable) as caught:
        s3_kit.store.size(f"cloud:{half._key}")
    half.close()

    assert SECRET not in caplog.text + repr(caught.value) + repr(vars(s3_kit.store))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"[s3]\naccess_key = a\nsecret_key = {SECRET}\n", 0o644, "read by others"),
        (f"[s3]\nsecret_key = {SECRET}\n", 0o600, "needs a section"),
        (f"{SECRET}\n", 0o600, "needs a section"),
    ],
)
def test_a_file_of_credentials_that_is_wrong_is_named_and_not_quoted(tmp_path, text, mode, said):
    path = tmp_path / "s3.ini"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(errors.ConfigError, match=said) as caught:
        s3.read_keys(path)

    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.__cause__)


def test_a_file_of_credentials_that_is_not_there_is_named(tmp_path, caplog):
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        s3.read_keys(tmp_path / "none")

    with pytest.raises(errors.Unavailable):
        make_store(f"s3://bucket?credentials={tmp_path}/none").size(f"s3:{key_of(str(uuid.uuid4()), str(uuid.uuid4()))}")
    assert f"{tmp_path}/none cannot be read" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://UPPER",
        "s3://key:secret@bucket",
        "s3://bucket?credentials=here",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?secret=x",
    ],
)
def test_buckets_that_make_no_sense_are_refused_at_the_start(url):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store"):
        make_store(url)


def test_the_sign_is_renewed_by_time_however_slowly_bytes_come(s3_kit, key, monkeypatch):
    shown = []
    writing = s3_kit.store.begin(key, None)
    real = writing.show_life
    monkeypatch.setattr(writing, "show_life", lambda: (shown.append(1), real()))

    writing.append(bytes(PART))
    soon = len(shown)
    monkeypatch.setattr(writers, "RENEW_S", -1.0)
    writing.append(b"x")
    writing.close()

    assert (soon, len(shown)) == (0, 1)
