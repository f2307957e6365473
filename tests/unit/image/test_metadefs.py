"""What stands in a namespace, when two act at once, and pages in which many are the same."""

from __future__ import annotations

import concurrent.futures

import pytest

from nova_lite import errors
from nova_lite.db.metadefs import NamespaceFilter, Page
from nova_lite.image import metadefs
from nova_lite.image.access import ANYTHING, Viewer
from nova_lite.image.metadefs import Contents
from nova_lite.model.metadef import Association, Entry, EntryKind, Namespace

AT_ONCE = 8


@pytest.fixture
def make(database):
    def made(name, **fields):
        contents = fields.pop("contents", Contents())
        wanted = Namespace(id="", namespace=name, **fields)
        return database.transact(lambda tx: metadefs.create(tx, wanted, contents))

    return made


def in_turns(work):
    """Do the same several times at once; give how many did not meet a Conflict."""

    def once(_number):
        try:
            work()
        except errors.Conflict:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(once, range(AT_ONCE)))


def test_of_many_that_make_the_same_namespace_one_does(database, make):
    assert in_turns(lambda: make("n", contents=Contents(tags=(Entry(name="t"),)))) == 1


def test_of_many_that_make_the_same_tag_one_does(database, make):
    made = make("n")

    def work(tx):
        namespace = metadefs.get(tx, "n", ANYTHING, lock=True)
        metadefs.add_entries(tx, namespace, EntryKind.TAG, [Entry(name="t")])

    assert in_turns(lambda: database.transact(work)) == 1
    with database.read() as tx:
        assert [tag.name for tag in metadefs.contents_of(tx, made).tags] == ["t"]


def test_of_many_that_mean_the_same_new_resource_type_one_does(database, make):
    make("n")

    def work(tx):
        metadefs.associate(tx, metadefs.get(tx, "n", ANYTHING, lock=True), Association(name="Box"))

    assert in_turns(lambda: database.transact(work)) == 1


def test_an_object_a_property_and_a_tag_may_have_one_name(database, make):
    one = (Entry(name="same"),)

    made = make("n", contents=Contents(objects=one, properties=one, tags=one))

    with database.read() as tx:
        for kind in EntryKind:
            assert metadefs.get_entry(tx, made, kind, "same").name == "same"


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("sort", ["created_at", "visibility", "owner", "display_name", "protected", "namespace"])
def test_pages_show_every_namespace_once(database, make, sort, down):
    for number in range(7):
        visibility = "public" if number % 2 else "private"
        make(f"n{number}", visibility=visibility, owner=f"p{number % 3}" if number else None, protected=number > 3)

    found, marker = [], None
    with database.read() as tx:
        while True:
            page = Page(sort=sort, down=down, marker=marker, limit=2)
            names = [one.namespace for one, _ in metadefs.list_page(tx, NamespaceFilter(sees_all=True), page)]
            if not names:
                break
            found += names
            marker = names[-1]

    assert sorted(found) == [f"n{number}" for number in range(7)]


def test_a_namespace_without_owner_is_seen_by_all_only_when_it_is_public(database, make):
    make("open", visibility="public")
    make("shut")

    with database.read() as tx:
        assert metadefs.get(tx, "open", Viewer(project_id="p")).namespace == "open"
        for viewer in (Viewer(project_id="p"), Viewer(project_id=None)):
            with pytest.raises(errors.NotFound):
                metadefs.get(tx, "shut", viewer)
            listed = metadefs.list_page(tx, NamespaceFilter(project_id=viewer.project_id), Page())
            assert [one.namespace for one, _ in listed] == ["open"]


def test_deleting_a_namespace_takes_all_with_it_but_resource_types(database, make):
    contents = Contents(tags=(Entry(name="t"),), associations=(Association(name="Box"),))
    make("n", contents=contents)

    database.transact(lambda tx: metadefs.delete(tx, metadefs.get(tx, "n", ANYTHING, lock=True)))
    again = make("n")

    with database.read() as tx:
        assert metadefs.contents_of(tx, again) == Contents()
        assert [one.name for one in metadefs.list_resource_types(tx)] == ["Box"]
