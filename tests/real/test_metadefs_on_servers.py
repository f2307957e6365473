"""Metadata definitions on PostgreSQL and MariaDB: what comes back, pages, names taken at once."""

from __future__ import annotations

import concurrent.futures

import pytest

from nova_lite import errors
from nova_lite.db.metadefs import NAMESPACE_KEYS, NamespaceFilter, Page
from nova_lite.image import catalogue, metadefs
from nova_lite.image.access import ANYTHING
from nova_lite.model.metadef import Association, Entry, EntryKind, Namespace

AT_ONCE = 6


def pages(database, sort, *, down):
    found, marker = [], None
    with database.read() as tx:
        while True:
            page = Page(sort=sort, down=down, marker=marker, limit=4)
            names = [one.namespace for one, _ in metadefs.list_page(tx, NamespaceFilter(sees_all=True), page)]
            found += names
            if len(names) < 4:
                return found
            marker = names[-1]


def in_turns(work):
    def once(_number):
        try:
            work()
        except errors.Conflict:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(once, range(AT_ONCE)))


def test_pages_of_what_a_new_cloud_has_show_every_namespace_once(database):
    catalogue.bootstrap(database)
    wanted = sorted(body["namespace"] for body in catalogue.own_definitions())

    for sort in NAMESPACE_KEYS:
        for down in (True, False):
            assert sorted(pages(database, sort, down=down)) == wanted, (sort, down)
    assert pages(database, "namespace", down=False) == wanted


def test_names_differ_by_case_and_come_back_as_they_were_written(database):
    contents = metadefs.Contents(
        tags=(Entry(name="a"), Entry(name="A"), Entry(name="☃ 😀")),
        objects=(Entry(name="o", content={"description": "grün", "properties": {"ключ": {"title": "T", "type": "string"}}}),),
        associations=(Association(name="box", prefix="x:"), Association(name="Box")),
    )
    for name in ("n", "N"):
        wanted = Namespace(id="", namespace=name, description="ß" * 500)
        database.transact(lambda tx, wanted=wanted: metadefs.create(tx, wanted, contents))

    with database.read() as tx:
        found = metadefs.contents_of(tx, metadefs.get(tx, "n", ANYTHING))
        wanted = NamespaceFilter(sees_all=True, resource_types=("BOX",))
        assert metadefs.list_page(tx, wanted, Page()) == []
    assert {tag.name for tag in found.tags} == {"a", "A", "☃ 😀"}
    assert found.objects[0].content == contents.objects[0].content
    assert {(one.name, one.prefix) for one in found.associations} == {("box", "x:"), ("Box", None)}


def test_of_many_at_once_one_makes_the_namespace_and_one_the_tag(database):
    def make(tx):
        contents = metadefs.Contents(associations=(Association(name="Box"),))
        metadefs.create(tx, Namespace(id="", namespace="n"), contents)

    def tag(tx):
        namespace = metadefs.get(tx, "n", ANYTHING, lock=True)
        metadefs.add_entries(tx, namespace, EntryKind.TAG, [Entry(name="t")])

    assert in_turns(lambda: database.transact(make)) == 1
    assert in_turns(lambda: database.transact(tag)) == 1


def test_a_namespace_that_is_renamed_to_a_taken_name_is_refused(database):
    for name in ("a", "b"):
        wanted = Namespace(id="", namespace=name)
        database.transact(lambda tx, wanted=wanted: metadefs.create(tx, wanted, metadefs.Contents()))

    def rename(tx):
        found = metadefs.get(tx, "b", ANYTHING, lock=True)
        metadefs.update(tx, found, Namespace(**vars(found) | {"namespace": "a"}))

    with pytest.raises(errors.Conflict):
        database.transact(rename)
