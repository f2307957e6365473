"""The part of the Image API's URL table that is about metadata definitions."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite.api.image import metadef_entries as entries
from nova_lite.api.image import metadefs
from nova_lite.api.image.schemas import metadefs as schemas
from nova_lite.api.route import Answer, Request, Route

_NAMESPACES = "/metadefs/namespaces"
_NAMESPACE = _NAMESPACES + "/{namespace}"
_OBJECTS = _NAMESPACE + "/objects"
_OBJECT = _OBJECTS + "/{object_name}"
_PROPERTIES = _NAMESPACE + "/properties"
_PROPERTY = _PROPERTIES + "/{property_name}"
_TAGS = _NAMESPACE + "/tags"
_TAG = _TAGS + "/{tag_name}"
_TYPES = _NAMESPACE + "/resource_types"
_TYPE = _TYPES + "/{resource_type}"
_MEAN = "add_metadef_resource_type_association"
_MEAN_NOT = "remove_metadef_resource_type_association"


def _answering(schema: schemas.Schema) -> Callable[[Request], Answer]:
    """Make the handler of GET /schemas/metadefs/...: the schema as it is."""

    def show_schema(_request: Request) -> Answer:
        return Answer(body=schema)

    return show_schema


NAMESPACES = (
    Route("GET", _NAMESPACES, metadefs.list_namespaces, rule="get_metadef_namespaces"),
    Route("POST", _NAMESPACES, metadefs.create_namespace, rule="add_metadef_namespace", body=schemas.NAMESPACE),
    Route("GET", _NAMESPACE, metadefs.show_namespace, rule="get_metadef_namespace"),
    Route("PUT", _NAMESPACE, metadefs.update_namespace, rule="modify_metadef_namespace", body=schemas.NAMESPACE),
    Route("DELETE", _NAMESPACE, metadefs.delete_namespace, rule="delete_metadef_namespace"),
    Route("GET", "/metadefs/resource_types", metadefs.list_resource_types, rule="list_metadef_resource_types"),
    Route("GET", _TYPES, metadefs.list_associations, rule="get_metadef_resource_type"),
    Route("POST", _TYPES, metadefs.associate, rule=_MEAN, body=schemas.ASSOCIATION),
    Route("DELETE", _TYPE, metadefs.dissociate, rule=_MEAN_NOT),
)
ENTRIES = (
    Route("GET", _OBJECTS, entries.list_objects, rule="get_metadef_objects"),
    Route("POST", _OBJECTS, entries.create_object, rule="add_metadef_object", body=schemas.OBJECT),
    Route("DELETE", _OBJECTS, entries.delete_objects, rule="delete_metadef_object"),
    Route("GET", _OBJECT, entries.show_object, rule="get_metadef_object"),
    Route("PUT", _OBJECT, entries.update_object, rule="modify_metadef_object", body=schemas.OBJECT),
    Route("DELETE", _OBJECT, entries.delete_object, rule="delete_metadef_object"),
    Route("GET", _PROPERTIES, entries.list_properties, rule="get_metadef_properties"),
    Route("POST", _PROPERTIES, entries.create_property, rule="add_metadef_property", body=schemas.PROPERTY),
    Route("DELETE", _PROPERTIES, entries.delete_properties, rule="remove_metadef_property"),
    Route("GET", _PROPERTY, entries.show_property, rule="get_metadef_property"),
    Route("PUT", _PROPERTY, entries.update_property, rule="modify_metadef_property", body=schemas.PROPERTY),
    Route("DELETE", _PROPERTY, entries.delete_property, rule="remove_metadef_property"),
    Route("GET", _TAGS, entries.list_tags, rule="get_metadef_tags"),
    Route("POST", _TAGS, entries.replace_tags, rule="add_metadef_tags", body=schemas.TAGS),
    Route("DELETE", _TAGS, entries.delete_tags, rule="delete_metadef_tags"),
    Route("GET", _TAG, entries.show_tag, rule="get_metadef_tag"),
    Route("POST", _TAG, entries.create_tag, rule="add_metadef_tag"),
    Route("PUT", _TAG, entries.update_tag, rule="modify_metadef_tag", body=schemas.TAG),
    Route("DELETE", _TAG, entries.delete_tag, rule="delete_metadef_tag"),
)
_SCHEMAS = {
    **{noun: schemas.one(noun) for noun in schemas.SCHEMAS},
    "namespaces": schemas.many("namespace", "namespaces"),
    "objects": schemas.many("object", "objects"),
    "properties": schemas.by_name("property", "properties"),
    "tags": schemas.many("tag", "tags"),
    "resource_types": schemas.many("resource_type", "resource_type_associations"),
}
SCHEMAS = tuple(Route("GET", f"/schemas/metadefs/{noun}", _answering(schema)) for noun, schema in _SCHEMAS.items())

METADEFS: tuple[Route, ...] = (*NAMESPACES, *ENTRIES, *SCHEMAS)
