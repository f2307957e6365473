"""Rules on what old clients still call."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, MEMBER, READER, rule

_IMAGE, _GROUP, _HOST = "/images/{image_id}", "/os-security-groups/{id}", "/os-hosts/{host_name}"
_NODE = "/os-baremetal-nodes/{id}"

RULES = (
    rule("images:list", READER, "List images.", "GET /images", "GET /images/detail"),
    rule("images:show", READER, "Show an image.", f"GET {_IMAGE}", f"GET {_IMAGE}/metadata"),
    rule("images:update", MEMBER, "Change an image's metadata.", f"POST {_IMAGE}/metadata", f"PUT {_IMAGE}/metadata"),
    rule("images:delete", MEMBER, "Delete an image.", f"DELETE {_IMAGE}"),
    rule("os-networks:list", READER, "List networks.", "GET /os-networks"),
    rule("os-networks:show", READER, "Show a network.", "GET /os-networks/{network_id}"),
    rule("os-tenant-networks:list", READER, "List networks in few words.", "GET /os-tenant-networks"),
    rule("os-tenant-networks:show", READER, "Show a network in few words.", "GET /os-tenant-networks/{network_id}"),
    rule("os-floating-ip-pools", "@", "List pools of floating addresses.", "GET /os-floating-ip-pools"),
    rule("os-floating-ips:list", READER, "List floating addresses.", "GET /os-floating-ips"),
    rule("os-floating-ips:create", MEMBER, "Get a floating address.", "POST /os-floating-ips"),
    rule("os-floating-ips:show", READER, "Show a floating address.", "GET /os-floating-ips/{id}"),
    rule("os-floating-ips:delete", MEMBER, "Give a floating address back.", "DELETE /os-floating-ips/{id}"),
    rule("os-security-groups:get", READER, "List security groups.", "GET /os-security-groups"),
    rule("os-security-groups:show", READER, "Show a security group.", f"GET {_GROUP}"),
    rule("os-security-groups:create", MEMBER, "Make a security group.", "POST /os-security-groups"),
    rule("os-security-groups:update", MEMBER, "Change a security group.", f"PUT {_GROUP}"),
    rule("os-security-groups:delete", MEMBER, "Delete a security group.", f"DELETE {_GROUP}"),
    rule("os-security-groups:rule:create", MEMBER, "Add a rule.", "POST /os-security-group-rules"),
    rule("os-security-groups:rule:delete", MEMBER, "Remove a rule.", "DELETE /os-security-group-rules/{id}"),
    rule("os-volumes:list", READER, "List volumes.", "GET /os-volumes"),
    rule("os-volumes:detail", READER, "List volumes with their details.", "GET /os-volumes/detail"),
    rule("os-volumes:show", READER, "Show a volume.", "GET /os-volumes/{id}"),
    rule("os-volumes:create", MEMBER, "Make a volume.", "POST /os-volumes"),
    rule("os-volumes:delete", MEMBER, "Delete a volume.", "DELETE /os-volumes/{id}"),
    rule("os-volumes:snapshots:list", READER, "List snapshots.", "GET /os-snapshots"),
    rule("os-volumes:snapshots:detail", READER, "List snapshots with their details.", "GET /os-snapshots/detail"),
    rule("os-volumes:snapshots:show", READER, "Show a snapshot.", "GET /os-snapshots/{id}"),
    rule("os-volumes:snapshots:create", MEMBER, "Make a snapshot.", "POST /os-snapshots"),
    rule("os-volumes:snapshots:delete", MEMBER, "Delete a snapshot.", "DELETE /os-snapshots/{id}"),
    rule("os-baremetal-nodes:list", ADMIN, "List machines.", "GET /os-baremetal-nodes"),
    rule("os-baremetal-nodes:show", ADMIN, "Show a machine.", f"GET {_NODE}"),
    rule("os-baremetal-nodes:change", ADMIN, "Change machines.", "POST /os-baremetal-nodes", f"DELETE {_NODE}"),
    rule("os-hosts:list", ADMIN, "List hosts.", "GET /os-hosts"),
    rule("os-hosts:show", ADMIN, "Show a host.", f"GET {_HOST}"),
    rule("os-hosts:update", ADMIN, "Enable or disable a host.", f"PUT {_HOST}"),
    rule("os-hosts:reboot", ADMIN, "Reboot a host.", f"GET {_HOST}/reboot"),
    rule("os-hosts:shutdown", ADMIN, "Turn a host off.", f"GET {_HOST}/shutdown"),
    rule("os-hosts:start", ADMIN, "Turn a host on.", f"GET {_HOST}/startup"),
)
