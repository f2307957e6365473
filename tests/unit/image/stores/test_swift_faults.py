"""Swift that refuses, lies, forgets or hangs up; its logins; and secrets that stay secret."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import uuid

import orjson
import pytest
from unit.image.stores.swift_fake import SECRET

from nova_lite import errors
from nova_lite.image.stores import swift, swift_api, writers
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.registry import make_store
from nova_lite.image.stores.writers import this_process

MIB = 1 << 20


@pytest.fixture
def key():
    return key_of(str(uuid.uuid4()), str(uuid.uuid4()))


@pytest.fixture
def fail(fake_swift, monkeypatch):
    """Give the function that lets calls fail: those of a method to paths with a word in them, `times` times."""
    monkeypatch.setattr(swift_api, "AGAIN", [])

    def set_fault(fault, method="", word="", times=1 << 20):
        left = [times]

        def of(asked, path):
            if method not in asked or word not in path or not left[0]:
                return None
            left[0] -= 1
            return fault

        fake_swift.fault = of

    return set_fault


def write(store, key, data):
    writing = store.begin(key, None)
    try:
        writing.append(data)
        return writing.finalize()
    finally:
        writing.close()


# -- answers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [413, 507])
@pytest.mark.parametrize("word", ["alive/", "segments/", "kept/"])
def test_no_room_is_a_full_store_and_nothing_stays(swift_kit, key, fail, status, word):
    fail(status, "PUT", word)

    with pytest.raises(errors.InsufficientStorage):
        write(swift_kit.store, key, bytes(MIB + 1))

    assert swift_kit.everything() == []


@pytest.mark.parametrize("fault", [401, 403, 404, 409, 422, 500, 503, 302, "cut"])
@pytest.mark.parametrize("word", ["alive/", "segments/", "kept/"])
def test_whatever_else_fails_an_upload_is_an_outage_and_nothing_stays(swift_kit, key, fail, fault, word):
    fail(fault, "PUT", word)

    with pytest.raises(errors.Unavailable):
        write(swift_kit.store, key, bytes(MIB + 1))

    assert swift_kit.everything() == []


@pytest.mark.parametrize("fault", [401, 403, 500, 503, "cut"])
def test_an_outage_is_no_lost_image(swift_kit, key, fail, fault):
    location = write(swift_kit.store, key, b"data")
    fail(fault)
    store = swift_kit.store

    for ask in (
        lambda: store.open(location, 0, 4), lambda: store.size(location), lambda: store.delete(location),
        lambda: store.is_alive(key), lambda: store.sweep(set()), lambda: store.take_up(key, None, fresh=True),
        lambda: store.take_up(key, None, fresh=False), lambda: store.drop_parts(key),
    ):  # fmt: skip
        with pytest.raises(errors.Unavailable):
            ask()


def test_a_container_that_is_not_there_is_an_outage_and_no_lost_image(swift_kit, key):
    store = make_store(swift_kit.url.replace(swift_kit.container, "nowhere"))

    for ask in (
        lambda: store.begin(key, None), lambda: store.open(f"cloud:{key}", 0, 1), lambda: store.size(f"cloud:{key}"),
        lambda: store.is_alive(key), lambda: store.delete(f"cloud:{key}"),
    ):  # fmt: skip
        with pytest.raises(errors.Unavailable):
            ask()


def test_what_fails_once_is_tried_again(swift_kit, key, fake_swift):
    failed = set()

    def once(method, path):
        new = (method, path) not in failed
        failed.add((method, path))
        return 503 if new else None

    swift_kit.monkeypatch.setattr("keystoneauth1.session.time.sleep", lambda _seconds: None)
    fake_swift.fault = once

    location = write(swift_kit.store, key, bytes(MIB + 1))

    assert swift_kit.store.size(location) == MIB + 1
    assert len(failed) > 5


@pytest.mark.parametrize("size", [5, MIB + 1])
def test_an_end_whose_answer_was_lost_has_happened(swift_kit, key, fail, size):
    fail("lose", "PUT", "kept/", times=1)

    location = write(swift_kit.store, key, bytes(size))

    assert swift_kit.store.size(location) == size


def test_an_end_of_which_nothing_was_heard_leaves_nothing(swift_kit, key, fail):
    fail("lose", "PUT", "kept/")

    with pytest.raises(errors.Unavailable):
        write(swift_kit.store, key, bytes(MIB + 1))

    assert swift_kit.everything() == []


def test_bytes_that_change_on_the_way_are_noticed(swift_kit, key, fake_swift):
    fake_swift.spoil = True

    with pytest.raises(errors.Unavailable):
        write(swift_kit.store, key, b"data")


@pytest.mark.parametrize("fault", ["half", "garbage"])
def test_a_reader_that_is_cut_off_hears_of_it(swift_kit, key, fail, fault):
    location = write(swift_kit.store, key, bytes(MIB // 2))
    fail(fault, "GET", "kept/")

    with pytest.raises(errors.Unavailable):
        swift_kit.store.open(location, 0, MIB // 2).read()


def test_a_proxy_that_knows_no_parts_gives_no_wrong_bytes(swift_kit, key, fail):
    location = write(swift_kit.store, key, b"0123456789")
    fail("whole", "GET", "kept/")

    with pytest.raises(errors.Unavailable):
        swift_kit.store.open(location, 3, 4)


def test_answers_that_are_none_of_swifts_are_an_outage(swift_kit, key, fail):
    store = swift_kit.store
    store.begin(key, None)
    fail("garbage")

    for ask in (lambda: store.size(f"cloud:{key}"), lambda: store.sweep(set()), lambda: store.is_alive(key)):
        with pytest.raises(errors.Unavailable):
            ask()


# -- listings that are late, signs that stay ---------------------------------------------------------------------------------


def test_long_listings_come_in_pages(swift_kit, key, fake_swift):
    fake_swift.page = 2
    location = write(swift_kit.store, key, bytes(5 * MIB))

    assert len(swift_kit.store.api.entries("segments/")) == 5
    swift_kit.store.delete(location)
    assert swift_kit.everything() == []


def test_a_sweep_takes_no_image_for_lost_that_a_listing_leaves_out(swift_kit, key, monkeypatch):
    location = write(swift_kit.store, key, bytes(2 * MIB))
    real = swift_kit.store.api.entries
    monkeypatch.setattr(swift_kit.store.api, "entries", lambda prefix: [] if prefix == swift.KEPT else real(prefix))

    assert swift_kit.store.sweep({location}).leftovers == 0
    assert swift_kit.store.open(location, 0, 2 * MIB).read() == bytes(2 * MIB)


def test_a_half_upload_that_a_listing_leaves_out_is_there(swift_kit, key, monkeypatch):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(bytes(3 * MIB + 5))
    half.suspend()
    real = swift_kit.store.api.entries
    monkeypatch.setattr(swift_kit.store.api, "entries", lambda prefix: real(prefix)[2:3])

    assert swift_kit.store.take_up(key, None, fresh=False).size == 3 * MIB + 5


def test_a_sign_that_could_not_be_removed_keeps_nobody_of_this_process_out(swift_kit, key, fail):
    half = swift_kit.store.take_up(key, None, fresh=True)
    fail(503, "DELETE", "alive/")
    half.suspend()
    fail(None)

    assert not swift_kit.store.is_alive(key)
    swift_kit.store.take_up(key, None, fresh=False).close()
    assert swift_kit.everything() == []


def test_a_sign_whose_answer_was_lost_is_ours(swift_kit, key, fail):
    fail("lose", "PUT", "alive/", times=1)

    swift_kit.store.take_up(key, None, fresh=True).close()

    assert swift_kit.everything() == []


@pytest.mark.parametrize("how", ["begin", "take_up"])
def test_a_sign_of_which_nothing_was_heard_is_none(swift_kit, key, fail, how):
    store = swift_kit.store
    fail("lose", "PUT", "alive/")

    with pytest.raises(errors.Unavailable):
        store.begin(key, None) if how == "begin" else store.take_up(key, None, fresh=True)

    assert not store.is_alive(key)
    assert swift_kit.everything() == []


def test_an_end_of_a_part_that_cannot_be_kept_is_told(swift_kit, key, fail):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(bytes(MIB + 5))
    fail(503, "PUT", "partial/")

    with pytest.raises(errors.Unavailable):
        half.suspend()
    fail(None)

    assert swift_kit.store.take_up(key, None, fresh=False).size == MIB


def sign_of_life(kit, key, **changes):
    kit.store.api.put(swift.ALIVE + key, orjson.dumps({**this_process(), "mark": "m", **changes}))


@pytest.mark.parametrize(
    ("changes", "held", "silent_s", "alive"),
    [
        ({}, {"m"}, 1800.0, True),  # a writer of this process, however long it was silent
        ({}, set(), 1800.0, False),  # it has ended
        ({"pid": 2**22 + 1}, {"m"}, 1800.0, False),
        ({"start": "1"}, {"m"}, 1800.0, False),  # another process has the number now
        ({"boot": "another machine's"}, set(), 1800.0, True),
        ({"boot": "another machine's"}, set(), -3600.0, False),  # it was silent for too long
        ({"pids": "another container's"}, set(), 1800.0, True),
    ],
)
def test_a_writer_lives_while_its_process_does_or_it_was_heard_of(swift_kit, key, monkeypatch, changes, held, silent_s, alive):
    monkeypatch.setattr(writers, "SILENT_S", silent_s)
    monkeypatch.setattr(swift, "_held", held)
    sign_of_life(swift_kit, key, **changes)

    assert swift_kit.store.is_alive(key) is alive


def test_the_sign_of_a_dead_writer_is_taken_over_or_swept(swift_kit, key):
    swift_kit.store.take_up(key, None, fresh=True).suspend()
    sign_of_life(swift_kit, key, pid=2**22 + 1)

    assert swift_kit.store.list_strays({key}) == []  # half an upload is no stray for that
    assert swift_kit.store.list_strays(set()) == [f"alive/{key}"]
    swift_kit.store.take_up(key, None, fresh=False).suspend()
    sign_of_life(swift_kit, key, pid=2**22 + 1)
    swift_kit.make_all_old()
    assert swift_kit.store.sweep(set()).leftovers == 1

    assert swift_kit.everything() == []


def test_a_finished_object_of_a_half_upload_that_a_record_names_is_no_stray(swift_kit, key):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(b"data")
    half.finalize()
    half.suspend()
    swift_kit.make_all_old()

    assert swift_kit.store.list_strays({key}) == []
    assert swift_kit.store.list_strays(set()) == [f"kept/{key}"]


# -- logins -----------------------------------------------------------------------------------------------------------------

LOGINS = {
    "application credential": f"application_credential_id = a\napplication_credential_secret = {SECRET}\n",
    "password": f"username = glance\npassword = {SECRET}\nproject_name = service\n",
    "password by ids": f"user_id = u\npassword = {SECRET}\nproject_id = p\n",
    "password in domains": f"username = u\npassword = {SECRET}\nproject_name = p\nuser_domain_id = d\nproject_domain_id = d\n",
}


@pytest.fixture
def keystone_url(swift_kit, fake_swift, tmp_path):
    """Give the function that makes the URL of a store behind Keystone's login."""

    def make(login, **options):
        path = tmp_path / "keystone.ini"
        path.touch(mode=0o600)
        path.write_text(f"[swift]\n{login}")
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"cloud=swift://{swift_kit.container}?auth_url={fake_swift.url}/v3&credentials={path}{more}"

    return make


@pytest.mark.parametrize("login", LOGINS)
def test_keystones_logins_lead_to_the_account(keystone_url, key, login):
    store = make_store(keystone_url(LOGINS[login], region="R", interface="internal"))

    assert store.open(write(store, key, b"data"), 0, 4).read() == b"data"


def test_an_endpoint_goes_before_the_catalogs(keystone_url, fake_swift, key):
    store = make_store(keystone_url(LOGINS["password"], region="none", endpoint=f"{fake_swift.url}/v1/AUTH_test"))

    assert store.size(write(store, key, b"data")) == 4


@pytest.mark.parametrize("options", [{"region": "none"}, {"interface": "admin"}])
def test_a_catalog_without_the_address_is_an_outage(keystone_url, key, options):
    with pytest.raises(errors.Unavailable):
        make_store(keystone_url(LOGINS["password"], **options)).begin(key, None)


def test_a_token_that_is_not_good_any_more_is_replaced(swift_kit, keystone_url, fake_swift, key):
    for store in (swift_kit.store, make_store(keystone_url(LOGINS["password"]))):
        location = write(store, key, b"data")
        fake_swift.tokens.clear()

        assert store.size(location) == 4


@pytest.mark.parametrize("login", ["user = test:tester\nkey = wrong\n", "username = u\npassword = wrong\nproject_name = p\n"])
def test_a_login_that_is_refused_is_an_outage(swift_kit, keystone_url, key, login):
    url = keystone_url(login)
    store = make_store(url.replace("/v3", "/auth/v1.0") if "key" in login else url)

    with pytest.raises(errors.Unavailable):
        store.size(f"cloud:{key}")


def test_a_login_goes_nowhere_else_when_it_is_sent_there(swift_kit, fail, fake_swift, key):
    fail(302, word="/auth/")
    asked = len(fake_swift.seen)

    with pytest.raises(errors.Unavailable):
        make_store(swift_kit.url).size(f"cloud:{key}")

    assert {path for _, path, _ in fake_swift.seen[asked:]} == {"/auth/v1.0"}


def test_secrets_are_in_no_log_and_no_error(swift_kit, keystone_url, fake_swift, key, caplog):
    caplog.set_level(logging.DEBUG)
    for store in (make_store(swift_kit.url), make_store(keystone_url(LOGINS["password"]))):
        write(store, key, b"data")
        store.api._place = dataclasses.replace(store.api._place, container="nowhere")
        with pytest.raises(errors.Unavailable) as caught:
            store.size(f"cloud:{key}")
        said = caplog.text + repr(caught.value) + repr(vars(store)) + repr(vars(store.api))

        assert caught.value.__cause__ is None
        assert not [secret for secret in (SECRET, *fake_swift.tokens) if secret in said]


def test_bytes_go_with_their_hash(swift_kit, fake_swift, key):
    write(swift_kit.store, key, b"data")

    sent = [headers for method, path, headers in fake_swift.seen if method == "PUT" and "/kept/" in path]
    assert [headers["ETag"] for headers in sent] == [hashlib.md5(b"data").hexdigest()]


# -- configuration ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"[swift]\nuser = a\nkey = {SECRET}\n", 0o644, "read by others"),
        (f"[swift]\nkey = {SECRET}\n", 0o600, "needs a section"),
        (f"[swift]\nuser = a\nkey = {SECRET}\npassword = {SECRET}\n", 0o600, "needs a section"),
        (f"[swift]\nusername = a\npassword = {SECRET}\n", 0o600, "needs a section"),
        (f"[swift]\npassword = {SECRET}\nproject_name = p\n", 0o600, "needs a section"),
        (f"[other]\nuser = a\nkey = {SECRET}\n", 0o600, "needs a section"),
        (f"{SECRET}\n", 0o600, "needs a section"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_file_of_credentials_that_is_wrong_is_named_and_not_quoted(tmp_path, key, caplog, text, mode, said):
    path = tmp_path / "wrong.ini"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)

    with pytest.raises(errors.Unavailable):
        make_store(f"swift://c?auth_url=http://127.0.0.1:9/v3&credentials={path}").size(f"swift:{key}")

    assert said in caplog.text
    assert str(path) in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "swift://c",
        "swift://c?auth_url=http://x/v3",
        "swift://c?credentials=/a",
        "swift://?auth_url=http://x/v3&credentials=/a",
        "swift://a%2fb?auth_url=http://x/v3&credentials=/a",
        "swift://user:secret@c?auth_url=http://x/v3&credentials=/a",
        "swift://c?auth_url=http://user:secret@x/v3&credentials=/a",
        "swift://c?auth_url=ftp://x/v3&credentials=/a",
        "swift://c?auth_url=http://x/v3&credentials=a",
        "swift://c?auth_url=http://x/v3&credentials=/a&cafile=here",
        "swift://c?auth_url=http://x/v3&credentials=/a&endpoint=here",
        "swift://c?auth_url=http://x/v3&credentials=/a&interface=other",
        "swift://c?auth_url=http://x/v3&credentials=/a&password=x",
    ],
)
def test_containers_that_make_no_sense_are_refused_at_the_start(url):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store") as caught:
        make_store(url)

    assert "secret" not in str(caught.value)


# -- half uploads of several -------------------------------------------------------------------------------------------------


def signs_in(server, since):
    return [method for method, path, _ in server.seen[since:] if "/alive/" in path and method == "PUT"]


def test_a_small_segment_that_was_written_anew_is_not_taken_from_a_late_listing(swift_kit, key, monkeypatch):
    store, data = swift_kit.store, bytes(range(250)) * 10_000
    half = store.take_up(key, None, fresh=True)
    half.append(data[:10])
    half.suspend()
    real = store.api.entries
    late = {one.name: one for one in real(f"partial/{key}/")}
    half = store.take_up(key, None, fresh=False)
    half.append(data[10 : MIB + 500_000])
    half.suspend()

    monkeypatch.setattr(store.api, "entries", lambda prefix: [late.get(one.name, one) for one in real(prefix)])
    half = store.take_up(key, None, fresh=False)
    told = half.size
    half.append(data[told:])
    location = half.finalize()
    half.suspend()

    assert told == MIB + 500_000
    assert store.open(location, 0, len(data)).read() == data


def test_a_refused_manifest_does_not_double_the_end(swift_kit, key, fail):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(bytes(MIB + 5))
    fail(503, "PUT", "kept/")
    with pytest.raises(errors.Unavailable):
        half.finalize()
    sizes = [half.size]
    half.suspend()
    fail(None)

    half = swift_kit.store.take_up(key, None, fresh=False)
    sizes.append(half.size)
    location = half.finalize()
    half.suspend()

    assert sizes == [MIB + 5, MIB + 5]
    assert swift_kit.store.size(location) == MIB + 5


@pytest.mark.parametrize("then", ["finalize", "suspend", None])
def test_a_sweep_leaves_half_an_upload_that_somebody_goes_on_with(swift_kit, key, monkeypatch, then):
    store, going_on = swift_kit.store, []
    half = store.take_up(key, None, fresh=True)
    half.append(bytes(2 * MIB))
    half.suspend()
    real = store.list_strays
    ages = iter([-3600.0, 86400.0])

    def list_then_go_on(kept):
        monkeypatch.setattr(swift, "PARTS_AGE_S", next(ages))
        found = real(kept)
        going_on.append(store.take_up(key, None, fresh=False))
        going_on[0].append(b"end")
        if then:
            getattr(going_on[0], then)()
            going_on[0].suspend()
        monkeypatch.setattr(swift, "PARTS_AGE_S", next(ages))
        return found

    monkeypatch.setattr(store, "list_strays", list_then_go_on)

    swept = store.sweep({key})

    assert (swept.leftovers, swept.halves) == (0, ())
    if then == "finalize":
        assert store.open(f"cloud:{key}", 0, 2 * MIB + 3).read() == bytes(2 * MIB) + b"end"
    else:
        going_on[0].suspend()
        assert store.take_up(key, None, fresh=False).size == 2 * MIB + 3


def test_what_a_sweep_removed_of_half_uploads_is_told(swift_kit, key):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(bytes(MIB))
    half.suspend()
    swift_kit.make_all_old()

    assert swift_kit.store.sweep(set()).halves == (key,)
    assert swift_kit.everything() == []


def test_the_sign_is_renewed_by_time_while_bytes_come_or_are_read_again(swift_kit, key, fake_swift, monkeypatch):
    half = swift_kit.store.take_up(key, None, fresh=True)
    counts = []
    for renew_s in (60.0, -1.0):
        monkeypatch.setattr(writers, "RENEW_S", renew_s)
        for work in (lambda: half.append(bytes(2 * MIB)), lambda: half.append(b"x"), lambda: list(half.reread(0))):
            before = len(fake_swift.seen)
            work()
            counts.append(len(signs_in(fake_swift, before)))

    assert counts[:3] == [0, 0, 0]
    assert counts[3:5] == [1, 1]
    assert counts[5] > 3


def test_whoever_lost_the_sign_does_not_take_it_back_by_renewing(swift_kit, key, monkeypatch):
    half = swift_kit.store.take_up(key, None, fresh=True)
    half.append(bytes(MIB))
    monkeypatch.setattr(writers, "RENEW_S", -1.0)
    sign_of_life(swift_kit, key)

    with pytest.raises(errors.Unavailable):
        list(half.reread(0))

    assert orjson.loads(swift_kit.store.api.read(swift.ALIVE + key)[0])["mark"] == "m"


def test_of_two_whose_signs_swift_both_let_in_the_last_one_holds_it(swift_kit, key, monkeypatch):
    store = swift_kit.store
    store.take_up(key, None, fresh=True).suspend()
    real = store.api.put_first

    def both(name, data):
        done = real(name, data)
        sign_of_life(swift_kit, key, boot="another machine's")  # as if its look had come before our writing
        return done

    monkeypatch.setattr(store.api, "put_first", both)

    with pytest.raises(errors.Conflict):
        store.take_up(key, None, fresh=False)
    assert store.is_alive(key)


def test_a_sweep_that_is_cut_off_tells_what_it_removed(swift_kit, key, fail):
    second = key_of(str(uuid.uuid4()), str(uuid.uuid4()))
    for one in (key, second):
        half = swift_kit.store.take_up(one, None, fresh=True)
        half.append(bytes(MIB))
        half.suspend()
    swift_kit.make_all_old()
    first, last = sorted([key, second])
    fail(503, "PUT", last)

    assert swift_kit.store.sweep(set()).halves == (first,)
    fail(503, "PUT", last)
    with pytest.raises(errors.Unavailable):
        swift_kit.store.sweep(set())
