"""Files in several folders, and on NFS with its traps: stale handles, answers that are lost, servers that go away."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from unit.image.stores.whole import new_key, put, read

from nova_lite import errors
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.filesystem import FilesystemStore, Folder
from nova_lite.image.stores.registry import make_store


def where(tmp_path):
    return sorted(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file())


@pytest.fixture
def make(tmp_path):
    """Give the function that makes a store of folders `name=weight`, with so much free in each."""

    def store(free, **weights):
        folders = [Folder(tmp_path / name, weight) for name, weight in weights.items()]
        return FilesystemStore(folders, lambda root: free[root.name])

    return store


@pytest.mark.parametrize(
    ("weights", "free", "expected", "chosen"),
    [
        ({"a": 1, "b": 2}, {"a": 900, "b": 100}, 50, "b"),  # the weight comes first
        ({"a": 1, "b": 2}, {"a": 900, "b": 100}, 500, "a"),  # but it must fit
        ({"a": 1, "b": 1}, {"a": 100, "b": 900}, 50, "b"),  # among equals the emptier one
        ({"a": 1, "b": 2}, {"a": 100, "b": 0}, None, "a"),  # full is full
    ],
)
def test_a_folder_is_chosen_by_weight_and_room(make, tmp_path, weights, free, expected, chosen):
    put(make(free, **weights), b"x", expected)

    assert where(tmp_path) == [chosen]


def test_what_fits_nowhere_is_refused_with_the_most_that_is_free(make, tmp_path):
    with pytest.raises(errors.InsufficientStorage, match="300 bytes are free, 301 are needed"):
        make({"a": 100, "b": 300}, a=1, b=0).begin(new_key(), 301)

    assert where(tmp_path) == []


def test_files_are_found_swept_and_deleted_in_every_folder(make, tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    free = {"a": 100, "b": 50}
    store = make(free, a=1, b=1)
    known, first = put(store, b"known"), put(store, b"first")
    free["a"] = 0
    second = put(store, b"second")

    assert where(tmp_path) == ["a", "a", "b"]
    assert read(store, second, 6) == b"second"
    strays = store.list_strays({known})
    assert store.sweep({known}).orphans == len(strays) == 2
    store.delete(known)
    assert where(tmp_path) == []
    for gone in (known, first, second):
        with pytest.raises(errors.NotFound):
            store.size(gone)


def test_a_file_that_the_operator_moved_to_another_folder_is_found(make, tmp_path):
    store = make({"a": 100, "b": 50}, a=1, b=1)
    location = put(store, b"data")
    [path] = (tmp_path / "a" / "kept").iterdir()
    (tmp_path / "b" / "kept").mkdir(parents=True, exist_ok=True)
    path.rename(tmp_path / "b" / "kept" / path.name)

    assert read(store, location, 4) == b"data"


def test_a_folder_that_does_not_work_is_passed_over_and_what_may_be_there_is_not_said_to_be_gone(make, tmp_path):
    (tmp_path / "b").write_text("no folder")
    store = make({"a": 100, "b": 900}, a=1, b=2)

    location = put(store, b"data")

    assert read(store, location, 4) == b"data"
    with pytest.raises(errors.Unavailable):
        store.size(f"file:{new_key()}")
    with pytest.raises(errors.Unavailable):  # it might have had the room
        store.begin(new_key(), 500)


@pytest.mark.parametrize(
    "url",
    [
        "file:///a?more=b:1",
        "file:///a?more=/b:x",
        "file:///a?weight=-1",
        "file:///a?more=/a:1",
        "file:///a?wieght=1",
        "file:///a?more=",
    ],
)
def test_folders_that_make_no_sense_are_refused_at_the_start(url):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store"):
        make_store(url)


def test_folders_are_written_in_the_url(tmp_path):
    store = make_store(f"disks={(tmp_path / 'a').as_uri()}?weight=1&more={tmp_path / 'b'}:2")

    location = put(store, b"x")

    assert (location.startswith("disks:"), where(tmp_path)) == (True, ["b"])


# -- NFS --------------------------------------------------------------------------------------------------------------------


class Faults:
    """Makes calls of the operating system fail, each named one so many times, before or after they did their work."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def inject(self, place, name, code, times, *, after=False):
        real = getattr(place, name)
        left = [times]

        def faulty(*arguments, **named):
            if left[0] <= 0:
                return real(*arguments, **named)
            left[0] -= 1
            if after:
                real(*arguments, **named)
            raise OSError(code, os.strerror(code))

        self._monkeypatch.setattr(place, name, faulty)


@pytest.fixture
def faults(monkeypatch):
    return Faults(monkeypatch)


@pytest.fixture
def nfs(tmp_path):
    return FilesystemStore(tmp_path, lambda root: 1 << 30)


def test_a_rename_whose_answer_was_lost_has_happened(nfs, faults):
    # The server renamed; its answer was lost; the client asked again and heard that there is no such file.
    faults.inject(filesystem.os, "rename", errno.ENOENT, 1, after=True)

    assert read(nfs, put(nfs, b"data"), 4) == b"data"


def test_a_rename_of_a_file_that_is_really_gone_is_none(nfs, tmp_path):
    writing = nfs.begin(new_key(), None)
    writing.append(b"data")
    [path] = (tmp_path / "incoming").iterdir()
    path.unlink()

    with pytest.raises(errors.Unavailable):
        writing.finalize()
    writing.close()

    assert where(tmp_path) == []


@pytest.mark.parametrize(("place", "name"), [(filesystem.os, "rename"), (Path, "mkdir"), (filesystem.os, "open")])
def test_a_stale_handle_is_looked_up_anew(nfs, faults, place, name):
    faults.inject(place, name, errno.ESTALE, 1)

    assert read(nfs, put(nfs, b"data"), 4) == b"data"


@pytest.mark.parametrize("name", ["stat", "unlink", "open"])
def test_a_stale_handle_of_a_finished_file_is_looked_up_anew(nfs, faults, name):
    location = put(nfs, b"data")
    faults.inject(Path, name, errno.ESTALE, 1)

    if name == "open":
        assert read(nfs, location, 4) == b"data"
    elif name == "stat":
        assert nfs.size(location) == 4
    else:
        nfs.delete(location)
        with pytest.raises(errors.NotFound):
            nfs.size(location)


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
def test_a_server_that_stays_away_is_unavailable_and_nothing_is_said_to_be_gone(nfs, faults, code):
    location = put(nfs, b"data")
    faults.inject(Path, "stat", code, 2)

    with pytest.raises(errors.Unavailable):
        nfs.size(location)

    faults.inject(filesystem.os, "rename", code, 2)
    with pytest.raises(errors.Unavailable):
        put(nfs, b"more")


@pytest.mark.parametrize(("name", "code", "kind"), [
    ("fsync", errno.EIO, errors.Unavailable),
    ("fsync", errno.ENOSPC, errors.InsufficientStorage),  # NFS tells of a full disk when it is flushed
    ("write", errno.ESTALE, errors.Unavailable),
    ("write", errno.EDQUOT, errors.InsufficientStorage),
])  # fmt: skip
def test_what_fails_while_it_is_written_leaves_nothing(nfs, faults, tmp_path, name, code, kind):
    faults.inject(filesystem.os, name, code, 2)

    with pytest.raises(kind):
        put(nfs, b"data")

    assert where(tmp_path) == []


@pytest.mark.parametrize("ask", ["size", "open", "delete", "is_alive", "take_up"])
def test_a_name_that_was_missed_before_is_looked_for_in_the_folder_anew(nfs, tmp_path, monkeypatch, ask):
    # The client remembers that a name is missing, until it opens the folder.
    key, asked = new_key(), []
    half = nfs.take_up(key, None, fresh=True)
    half.append(b"data")
    half.suspend() if ask == "take_up" else half.finalize()
    if ask != "is_alive":
        half.close()
    folder = str(tmp_path / ("partial" if ask == "take_up" else "kept"))
    real = {"stat": os.stat, "open": os.open, "unlink": os.unlink, "io_open": filesystem.Path.open}

    def remembered(name):
        def call(path, *arguments, **named):
            if str(path) == folder:
                asked.append(name)
            elif str(path) == f"{folder}/{key}" and not asked:
                raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
            return real[name](path, *arguments, **named)

        return call

    for name in ("stat", "open", "unlink"):
        monkeypatch.setattr(filesystem.os, name, remembered(name))
    monkeypatch.setattr(filesystem.Path, "open", remembered("io_open"))

    if ask == "is_alive":
        assert nfs.is_alive(key)
    elif ask == "take_up":
        assert nfs.take_up(key, None, fresh=False).size == 4
    elif ask == "open":
        assert read(nfs, f"file:{key}", 4) == b"data"
    else:
        assert getattr(nfs, ask)(f"file:{key}") == (4 if ask == "size" else None)
        assert where(tmp_path) == ([] if ask == "delete" else ["kept"])


@pytest.mark.parametrize("how", ["locked", "longer"])
def test_a_half_upload_that_the_server_let_another_have_is_not_finished(nfs, tmp_path, monkeypatch, how):
    half = nfs.take_up(new_key(), None, fresh=True)
    half.append(b"data")
    if how == "longer":
        with half._incoming.open("ab") as file:
            file.write(b"of another machine")
    else:
        faults = Faults(monkeypatch)
        faults.inject(filesystem.fcntl, "flock", errno.EAGAIN, 1)

    with pytest.raises(errors.Unavailable):
        half.finalize()
    half.suspend()

    assert where(tmp_path) == ["partial"]


@pytest.mark.parametrize(("code", "kind"), [(errno.ESTALE, None), (errno.ENOLCK, errors.Unavailable)])
def test_a_half_upload_whose_lock_cannot_be_had_is_gone_or_unavailable(nfs, faults, code, kind):
    key = new_key()
    nfs.take_up(key, None, fresh=True).suspend()
    faults.inject(filesystem.fcntl, "flock", code, 1)

    if kind is None:
        assert nfs.take_up(key, None, fresh=False) is None
    else:
        with pytest.raises(kind):
            nfs.take_up(key, None, fresh=False)


@pytest.mark.parametrize(("code", "kind"), [(errno.EDQUOT, errors.InsufficientStorage), (errno.EIO, errors.Unavailable)])
def test_what_fails_at_the_close_is_told_of_what_is_kept_only(nfs, faults, tmp_path, code, kind):
    half, whole = nfs.take_up(new_key(), None, fresh=True), nfs.begin(new_key(), None)

    faults.inject(filesystem.os, "close", code, 1, after=True)
    with pytest.raises(kind):
        half.suspend()
    faults.inject(filesystem.os, "close", code, 1, after=True)
    whole.close()

    assert where(tmp_path) == ["partial"]


def test_a_handle_that_goes_stale_while_it_is_read_is_unavailable_not_the_end(nfs, tmp_path):
    opened = nfs.open(put(nfs, b"data"), 0, 4)

    class Stale:
        def read(self, size):
            raise OSError(errno.ESTALE, "Stale file handle")

        def close(self):
            pass

    opened._file.close()
    opened._file = Stale()

    with pytest.raises(errors.Unavailable):
        opened.read()
