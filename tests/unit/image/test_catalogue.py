"""The definitions that a cloud begins with: they say what the product does, and loading them spoils nothing."""

from __future__ import annotations

import re

import pytest

from nova_lite import errors
from nova_lite.api.compute.extra_specs import EXACT
from nova_lite.api.image.schemas.metadefs import NAMESPACE
from nova_lite.api.validate import BodySchema
from nova_lite.image import catalogue, metadefs
from nova_lite.image.access import ANYTHING, Viewer
from nova_lite.model.hardware import devices, reading
from nova_lite.model.metadef import Association, Entry, EntryKind

FLAVOR, IMAGE = "OS::Nova::Flavor", "OS::Glance::Image"
ONLY_TOLD = "OS::Glance::CommonImageProperties"
OF_HOSTS = {"hw_architecture", "img_hv_type", "hw_vm_mode"}  # the scheduler's filter `image` reads these
OTHER_SPELLING = {"hide_hypervisor_id"}  # read for old flavors; the definitions teach hw:hide_hypervisor_id


class Asked(dict):
    """Properties that remember which were looked up."""

    def __init__(self, **there):
        super().__init__(there)
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)


def asked():
    specs, properties = Asked(**{"hw:numa_nodes": "2"}), Asked()
    reading.read_sized(specs, properties, vcpus=2, ram_mib=256)
    return specs.names, properties.names


def not_offered():
    names = [name for name, _, _ in devices.NOT_OFFERED]
    flavor = {f"hw:{name}" for name in names} | {name for name, _, _ in devices.NOT_OFFERED_FLAVOR}
    return flavor, {f"hw_{name}" for name in names} | {"os_secure_boot"}


def defined(resource_type, *, without=()):
    """Give each property's definition by the name that it has on a type of resource."""
    found = {}
    for body in catalogue.own_definitions():
        prefixes = [one.get("prefix", "") for one in body["resource_type_associations"] if one["name"] == resource_type]
        for prefix in prefixes if body["namespace"] not in without else ():
            found |= {prefix + name: definition for name, definition in body["properties"].items()}
    return found


@pytest.mark.parametrize("body", catalogue.own_definitions(), ids=lambda body: body["namespace"])
def test_every_file_is_what_the_api_takes(body):
    BodySchema(NAMESPACE).check(body)

    assert body["visibility"] == "public"
    assert body["protected"]


def test_every_extra_spec_that_is_read_is_defined_and_no_other():
    read, _ = asked()
    refused, _ = not_offered()
    more = {f"hw:numa_{what}.2" for what in ("cpus", "mem")}  # looked up to see that there is none

    assert set(defined(FLAVOR)) == read - refused - more - OTHER_SPELLING


def test_every_image_property_that_is_read_is_defined_and_no_other():
    _, read = asked()
    _, refused = not_offered()
    more = {f"hw_numa_{what}.2" for what in ("cpus", "mem")}

    assert set(defined(IMAGE, without=ONLY_TOLD)) == (read - refused - more) | OF_HOSTS


def test_words_of_extra_specs_are_words_that_are_taken():
    for name, definition in defined(FLAVOR).items():
        for word in definition.get("enum", ()):
            assert EXACT[name](word), (name, word)


@pytest.mark.parametrize("name", [name for name, one in defined(IMAGE, without=ONLY_TOLD).items() if "enum" in one])
def test_words_of_images_are_words_that_are_taken(name):
    specs = {"hw:cpu_policy": "dedicated"} if name.startswith("hw_cpu") else {}

    for word in defined(IMAGE)[name]["enum"]:
        if name not in OF_HOSTS and (name, word) != ("hw_cpu_policy", "mixed"):  # wants a mask, which a flavor has
            reading.read_sized(specs, {name: word}, vcpus=2, ram_mib=256)


def test_words_of_images_that_are_not_taken_are_refused():
    with pytest.raises(errors.BadRequest):
        reading.read_sized({}, {"hw_disk_bus": "rope"}, vcpus=2, ram_mib=256)


def test_a_new_cloud_has_them_and_one_that_deleted_some_does_not_get_them_back(database):
    catalogue.bootstrap(database)
    names = [body["namespace"] for body in catalogue.own_definitions()]

    with database.read() as tx:
        found = [metadefs.get(tx, name, Viewer(project_id="p")) for name in names]
    database.transact(lambda tx: metadefs.update(tx, found[0], found[0].__class__(**vars(found[0]) | {"protected": False})))
    database.transact(lambda tx: metadefs.delete(tx, metadefs.get(tx, names[0], ANYTHING)))
    catalogue.bootstrap(database)

    assert len(found) == len(set(names)) > 10
    with database.read() as tx, pytest.raises(errors.NotFound):
        metadefs.get(tx, names[0], ANYTHING)


def test_loading_again_keeps_what_the_operator_changed_unless_it_is_replaced(database):
    body = {
        "namespace": "n",
        "tags": [{"name": "a"}],
        "objects": [{"name": "o"}],
        "protected": True,
        "resource_type_associations": [{"name": "Box", "prefix": "x"}],
    }
    first = catalogue.load(database, [body])
    with database.read() as tx:
        made = metadefs.get(tx, "n", ANYTHING)
    database.transact(lambda tx: metadefs.add_entries(tx, made, EntryKind.TAG, [Entry(name="mine")]))
    database.transact(lambda tx: metadefs.associate(tx, made, Association(name="Bag")))

    again = catalogue.load(database, [body, {"namespace": "other"}])
    with database.read() as tx:
        kept = metadefs.contents_of(tx, made)
    replaced = catalogue.load(database, [body], replace=True)
    with database.read() as tx:
        anew = metadefs.contents_of(tx, metadefs.get(tx, "n", ANYTHING))

    assert (first.added, first.replaced, first.kept) == (("n",), (), ())
    assert (again.added, again.replaced, again.kept) == (("other",), (), ("n",))
    assert (replaced.added, replaced.replaced, replaced.kept) == ((), ("n",), ())
    assert [tag.name for tag in kept.tags] == ["a", "mine"]
    assert [tag.name for tag in anew.tags] == ["a"]
    assert [one.name for one in kept.associations] == ["Bag", "Box"]
    assert [one.name for one in anew.associations] == ["Box"]
    assert [one.name for one in anew.objects] == ["o"]


def test_one_wrong_namespace_leaves_nothing_loaded(database):
    twice = {"namespace": "b", "tags": [{"name": "t"}, {"name": "t"}]}

    with pytest.raises(errors.Conflict, match="already exists"):
        catalogue.load(database, [{"namespace": "a"}, twice])

    with database.read() as tx, pytest.raises(errors.NotFound):
        metadefs.get(tx, "a", ANYTHING)


def test_no_definition_promises_what_is_offered_nowhere():
    flavor, image = not_offered()
    text = re.compile(r"secure boot|TPM|encrypt", re.IGNORECASE)

    assert not flavor & set(defined(FLAVOR))
    assert not image & set(defined(IMAGE))
    assert not [body for body in catalogue.own_definitions() if text.search(str(body))]
