"""Several stores as one: what is begun goes to the chosen one, what is asked goes to the one that a location names."""

from __future__ import annotations

import pytest
from unit.image.stores.whole import new_key

from nova_lite import errors
from nova_lite.conf.image import ImageOptions
from nova_lite.image.stores import base
from nova_lite.image.stores.registry import make_stores


def put(stores, data):
    writing = stores.begin(new_key(), None)
    writing.append(data)
    location = writing.finalize()
    writing.close()
    return location


@pytest.fixture
def stores(tmp_path):
    return make_stores(ImageOptions(store=f"fast={(tmp_path / 'a').as_uri()},slow={(tmp_path / 'b').as_uri()}"))


def break_store(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    for folder in ("incoming", "kept"):
        place = tmp_path / name / folder
        if place.exists():
            place.rename(tmp_path / f"{name}-{folder}")
        place.write_text("no folder")


def test_the_first_is_the_default_and_any_may_be_preferred(stores):
    locations = put(stores, b"x"), put(stores.preferring("slow"), b"y"), put(stores.preferring(None), b"z")

    assert [location.partition(":")[0] for location in locations] == ["fast", "slow", "fast"]
    assert [stores.size(location) for location in locations] == [1, 1, 1]
    with pytest.raises(errors.NotFound):
        stores.preferring("tape")


def test_a_location_leads_to_its_store_alone(stores):
    location = put(stores.preferring("slow"), b"data")

    for other in (location.replace("slow", "fast"), location.replace("slow", "tape")):
        with pytest.raises(errors.NotFound):
            stores.open(other, 0, 1)
    stores.delete(location)
    with pytest.raises(errors.NotFound):
        stores.size(location)


def test_an_upload_lives_in_whichever_store(stores):
    key = new_key()
    writing = stores.preferring("slow").begin(key, None)

    before = stores.is_alive(key)
    writing.close()

    assert (before, stores.is_alive(key)) == (True, False)


def test_a_store_that_is_away_does_not_hinder_the_sweep_of_others(stores, tmp_path, monkeypatch):
    from nova_lite.image.stores import filesystem

    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    kept, unknown = put(stores, b"known"), put(stores, b"unknown")
    break_store(tmp_path, "b")

    strays = stores.list_strays({kept})
    swept = stores.sweep({kept})

    assert strays == [f"fast/kept/{unknown.partition(':')[2]}"]
    assert swept.orphans == 1
    assert stores.size(kept) == 5


def test_a_stray_is_removed_from_the_store_that_it_names(stores, monkeypatch):
    from nova_lite.image.stores import filesystem

    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    location = put(stores.preferring("slow"), b"unknown")
    [name] = stores.list_strays(set())

    removed = [stores.remove_stray(other, set()) for other in (name.replace("slow", "fast"), "tape/x", name, name)]

    assert removed == [False, False, True, False]
    with pytest.raises(errors.NotFound):
        stores.size(location)


@pytest.mark.parametrize("text", ["file:///a,file:///b", "x=file:///a,x=file:///b", "a b=file:///a", "=file:///a", "x=ftp://a"])
def test_stores_that_cannot_be_told_apart_or_made_are_refused(text):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store"):
        make_stores(ImageOptions(store=text))


def test_a_url_alone_is_called_as_its_scheme(tmp_path):
    assert make_stores(ImageOptions(store=tmp_path.as_uri())).name == "file"


def test_what_is_recorded_while_one_store_is_slow_stays_in_the_next(stores, monkeypatch):
    from nova_lite.image.stores import filesystem

    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    monkeypatch.setattr(base, "FRESH_S", -1.0)
    recorded = set()
    slow, quick = stores.all()
    put(stores, b"nobody's")

    def sweep(kept, sweep=slow.sweep):
        swept = sweep(kept)
        recorded.add(put(stores.preferring(quick.name), b"meanwhile"))
        return swept

    monkeypatch.setattr(slow, "sweep", sweep)

    swept = stores.sweep(base.Kept(lambda: set(recorded)))

    assert (swept.orphans, swept.halves) == (1, ())
    assert stores.size(*recorded) == 9


def test_what_records_name_is_read_at_the_first_look_and_again_when_that_is_old(monkeypatch):
    read = []
    kept = base.Kept(lambda: read.append(1) or {f"a:{len(read)}"})

    looked = [len(read), "a:1" in kept, "a:2" in kept, len(kept), sorted(kept), len(read)]
    kept._until = 0.0

    assert looked == [0, True, False, 1, ["a:1"], 1]
    assert ("a:2" in kept, len(read)) == (True, 2)


def test_a_half_upload_is_dropped_from_every_store_that_answers(stores, monkeypatch):
    def away(key):
        raise errors.Unavailable("not there", what="the image store")

    key = new_key()
    half = stores.preferring("slow").take_up(key, None, fresh=True)
    half.append(b"half")
    half.suspend()
    monkeypatch.setattr(stores.find("fast"), "drop_parts", away)

    with pytest.raises(errors.Unavailable):
        stores.drop_parts(key)

    assert stores.preferring("slow").take_up(key, None, fresh=False) is None
