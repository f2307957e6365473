"""Rules on metadata definitions. The target is the namespace: its owner as `project_id`, its visibility."""

from __future__ import annotations

from nova_lite.identity.policies.image.rules import ADMIN, VIEWER, rule

_NAMESPACES = "/v2/metadefs/namespaces"
_NAMESPACE = _NAMESPACES + "/{namespace}"
_OBJECTS = _NAMESPACE + "/objects"
_OBJECT = _OBJECTS + "/{object_name}"
_PROPERTIES = _NAMESPACE + "/properties"
_PROPERTY = _PROPERTIES + "/{property_name}"
_TAGS = _NAMESPACE + "/tags"
_TAG = _TAGS + "/{tag_name}"
_TYPES = _NAMESPACE + "/resource_types"

RULES = (
    rule("get_metadef_namespaces", VIEWER, "List namespaces of metadata definitions.", f"GET {_NAMESPACES}"),
    rule("get_metadef_namespace", VIEWER, "Show a namespace with all that it holds.", f"GET {_NAMESPACE}"),
    rule("add_metadef_namespace", ADMIN, "Create a namespace.", f"POST {_NAMESPACES}"),
    rule("modify_metadef_namespace", ADMIN, "Change a namespace.", f"PUT {_NAMESPACE}"),
    rule("delete_metadef_namespace", ADMIN, "Delete a namespace with all that it holds.", f"DELETE {_NAMESPACE}"),
    rule("get_metadef_objects", VIEWER, "List the objects of a namespace.", f"GET {_OBJECTS}"),
    rule("get_metadef_object", VIEWER, "Show an object.", f"GET {_OBJECT}"),
    rule("add_metadef_object", ADMIN, "Create an object.", f"POST {_OBJECTS}"),
    rule("modify_metadef_object", ADMIN, "Change an object.", f"PUT {_OBJECT}"),
    rule("delete_metadef_object", ADMIN, "Delete an object, or all of a namespace.", f"DELETE {_OBJECT}", f"DELETE {_OBJECTS}"),
    rule("get_metadef_properties", VIEWER, "List the properties of a namespace.", f"GET {_PROPERTIES}"),
    rule("get_metadef_property", VIEWER, "Show a property.", f"GET {_PROPERTY}"),
    rule("add_metadef_property", ADMIN, "Create a property.", f"POST {_PROPERTIES}"),
    rule("modify_metadef_property", ADMIN, "Change a property.", f"PUT {_PROPERTY}"),
    rule(
        "remove_metadef_property",
        ADMIN,
        "Delete a property, or all of a namespace.",
        f"DELETE {_PROPERTY}",
        f"DELETE {_PROPERTIES}",
    ),
    rule("get_metadef_tags", VIEWER, "List the tags of a namespace.", f"GET {_TAGS}"),
    rule("get_metadef_tag", VIEWER, "Show a tag.", f"GET {_TAG}"),
    rule("add_metadef_tags", ADMIN, "Replace the tags of a namespace, or add several.", f"POST {_TAGS}"),
    rule("add_metadef_tag", ADMIN, "Create a tag.", f"POST {_TAG}"),
    rule("modify_metadef_tag", ADMIN, "Rename a tag.", f"PUT {_TAG}"),
    rule("delete_metadef_tag", ADMIN, "Delete a tag.", f"DELETE {_TAG}"),
    rule("delete_metadef_tags", ADMIN, "Delete all tags of a namespace.", f"DELETE {_TAGS}"),
    rule("list_metadef_resource_types", VIEWER, "List the types of resources.", "GET /v2/metadefs/resource_types"),
    rule("get_metadef_resource_type", VIEWER, "List the types that a namespace is meant for.", f"GET {_TYPES}"),
    rule("add_metadef_resource_type_association", ADMIN, "Mean a namespace for a type of resource.", f"POST {_TYPES}"),
    rule(
        "remove_metadef_resource_type_association",
        ADMIN,
        "Mean a namespace for a type of resource no longer.",
        f"DELETE {_TYPES}/{{resource_type}}",
    ),
)
