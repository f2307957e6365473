"""Where the access test must be told more than the tables say, each with its reason."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Mapping
from typing import Any

from conformance.world import PASSWORD

from nova_lite.api.route import Route

Ids = Mapping[str, str]
NOTHING = "nothing-has-this-id"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINQvCw+8KQQ9WPkwhh9K/eHVLr/LQaNdaCUARTLGIYc2"
EVERYBODY = ("nobody", "forged", "expired", "reader", "other", "member", "manager", "admin", "auditor", "service")
DOMAIN_PEOPLE = ("domain_manager", "domain_reader", "foreign_manager")
PROJECT_PEOPLE = ("reader", "other", "member", "manager", "service")

# (service, method, path) -> who is let through or not, unlike the table says.
ACCESS: dict[tuple[str, str, str], dict[str, bool]] = {
    # Services check the tokens of their callers; each may also end one.
    ("identity", "GET", "/auth/tokens"): {"service": True},
    ("identity", "HEAD", "/auth/tokens"): {"service": True},
    ("identity", "DELETE", "/auth/tokens"): {"service": True},
    # Keystone shows a domain to all whose token is for it or for a project in it.
    ("identity", "GET", "/domains/{domain_id}"): dict.fromkeys(PROJECT_PEOPLE, True),
    # An application credential acts as its user, so not even an admin makes one for another.
    ("identity", "POST", "/users/{user_id}/application_credentials"): {"admin": False},
    # The credential in the body is one of `member`'s.
    ("identity", "POST", "/credentials"): dict.fromkeys(("reader", "other", "manager", "service"), False),
    # Whoever signs is checked by the signature, which tests of its own make; here there is none.
    ("identity", "POST", "/ec2tokens"): {"admin": False, "service": False},
    # What is shown here is no token of ours, so that it does not matter whose comes along.
    ("identity", "POST", "/OS-OAUTH1/request_token"): dict.fromkeys(EVERYBODY, True),
    ("identity", "POST", "/OS-OAUTH1/access_token"): dict.fromkeys(EVERYBODY, True),
    ("identity", "POST", "/OS-OAUTH2/token"): dict.fromkeys(EVERYBODY, True),
    # A limit is shown to the project that it is for.
    ("identity", "GET", "/limits/{limit_id}"): dict.fromkeys(("reader", "member", "manager"), True),
    # The project that an image is shared with says whether it takes it: here admin's, not the owner's.
    ("image", "PUT", "/images/{image_id}/members/{member_id}"): {"member": False, "manager": False},
    # There is no cache in front of the store, which whoever may see one is told with 404, as Glance tells it.
    ("image", "GET", "/cache"): {"admin": False, "auditor": False},
    ("image", "DELETE", "/cache"): {"admin": False},
    ("image", "POST", "/cache/clean"): {"admin": False},
    ("image", "POST", "/cache/prune"): {"admin": False},
    ("image", "PUT", "/cache/{image_id}"): {"admin": False},
    ("image", "DELETE", "/cache/{image_id}"): {"admin": False},
    ("image", "GET", "/cache/nodes/{image_id}"): {"admin": False, "auditor": False},
    # The network and the subnet that are changed are of demo's project; those that are shown are shared.
    ("network", "PUT", "/networks/{network_id}"): {"other": False},
    ("network", "DELETE", "/networks/{network_id}"): {"other": False},
    ("network", "POST", "/subnets"): {"other": False},
    ("network", "PUT", "/subnets/{subnet_id}"): {"other": False},
    ("network", "DELETE", "/subnets/{subnet_id}"): {"other": False},
    # Neutron lets everybody have ports on a shared network; here it takes a member of a project to make something.
    ("network", "POST", "/ports"): {"reader": False},
    ("network", "PUT", "/ports/{port_id}"): {"reader": False},
    # The table knows no rule of these and so says admin; Neutron's code shows them to the project itself.
    ("network", "GET", "/quotas/{project_id}/default"): dict.fromkeys(("reader", "member", "manager"), True),
    ("network", "GET", "/quotas/{project_id}/details"): dict.fromkeys(("reader", "member", "manager"), True),
}

# What a token of a domain is good for in Identity, as Keystone's rules have it: readers see the users, groups, projects and
# assignments of their domain, managers also change them and see the roles that they may give.
_DOMAIN_RECORDS = re.compile(
    r"/users(/\{user_id\}(/projects|/groups)?)?"
    r"|/groups(/\{group_id\}(/users(/\{user_id\})?)?)?"
    r"|/projects(/\{project_id\}(/tags(/\{value\})?)?)?"
    r"|(/OS-INHERIT)?/(projects|domains)/\{\w+\}/(users|groups)/\{\w+\}/roles.*"
)
_DOMAIN_VIEWS = ("/domains", "/domains/{domain_id}", "/role_assignments", "/limits/{limit_id}")
_DOMAIN_ROLES = ("/roles", "/roles/{role_id}")
# A manager of another domain finds its own records in lists, makes new ones there, and sees the global roles.
FAR_LISTS = ("/users", "/groups", "/projects", "/domains", "/role_assignments")


def of_domain(route: Route, caller: str) -> bool:
    """Tell whether a token of a domain lets its holder through where more than any token is needed."""
    reads = route.method in ("GET", "HEAD")
    if reads and route.path == "/credentials":  # its own ones
        return True
    if caller == "foreign_manager":
        made = route.method == "POST" and route.path in FAR_LISTS[:3]
        return made or (reads and route.path in (*FAR_LISTS, *_DOMAIN_ROLES))
    if reads and (route.path in _DOMAIN_VIEWS or _DOMAIN_RECORDS.fullmatch(route.path)):
        return True
    if caller != "domain_manager":
        return False
    return bool(_DOMAIN_RECORDS.fullmatch(route.path)) or (reads and route.path in _DOMAIN_ROLES)


# What refuses everybody says so behind the rule, in these words: whoever reads them was let through.
PAST_THE_RULE = (
    "cannot do the action",
    "this cloud has no volume service",
    "Unavailable console type",
    "not found for server",
    "is not attached to server",
    "Compute service of the server's host is still in use",
    "Unknown action",
    "is the only store that holds",
)

# (service, method, path) -> fields of the path that stand for something else than usual
THINGS: dict[tuple[str, str, str], dict[str, str]] = {
    ("identity", "DELETE", "/domains/{domain_id}"): {"domain_id": "disabled_domain"},  # an enabled one is not deleted
    ("identity", "GET", "/users/{user_id}/credentials/OS-EC2/{credential_id}"): {"credential_id": "ec2_id"},
    ("identity", "DELETE", "/users/{user_id}/credentials/OS-EC2/{credential_id}"): {"credential_id": "ec2_id"},
    ("identity", "PUT", "/projects/{project_id}/tags/{value}"): {"value": "new_tag"},
    # one that no limit stands on
    ("identity", "PATCH", "/registered_limits/{registered_limit_id}"): {"registered_limit_id": "free_registered_limit"},
    ("identity", "DELETE", "/registered_limits/{registered_limit_id}"): {"registered_limit_id": "free_registered_limit"},
    ("compute", "GET", "/servers/{server_id}/os-instance-actions/{request_id}"): {"server_id": "stopped_server"},
    ("compute", "GET", "/flavors/{flavor_id}/os-flavor-access"): {"flavor_id": "private_flavor"},
    ("compute", "GET", "/os-quota-class-sets/{name}"): {"name": "quota_class"},
    ("compute", "PUT", "/os-quota-class-sets/{name}"): {"name": "quota_class"},
    ("compute", "GET", "/os-hypervisors/{hypervisor_id}/search"): {"hypervisor_id": "host"},  # found by name
    ("compute", "GET", "/os-hypervisors/{hypervisor_id}/servers"): {"hypervisor_id": "host"},
    ("compute", "GET", "/os-server-groups/{group_id}"): {"group_id": "server_group_id"},
    ("compute", "DELETE", "/os-server-groups/{group_id}"): {"group_id": "server_group_id"},
    ("compute", "GET", "/servers/{server_id}/os-interface/{port_id}"): {"port_id": "server_port"},
    ("compute", "DELETE", "/servers/{server_id}/os-interface/{port_id}"): {"port_id": "server_port"},
    ("network", "PUT", "/networks/{network_id}"): {"network_id": "own_network"},
    ("network", "DELETE", "/networks/{network_id}"): {"network_id": "own_network"},
    ("network", "PUT", "/subnets/{subnet_id}"): {"subnet_id": "own_subnet"},
    ("network", "DELETE", "/subnets/{subnet_id}"): {"subnet_id": "own_subnet"},
    ("image", "PUT", "/images/{image_id}/file"): {"image_id": "empty_image"},
    ("image", "PUT", "/images/{image_id}/stage"): {"image_id": "empty_image"},
    ("image", "POST", "/images/{image_id}/import"): {"image_id": "empty_image"},
}
ACTION_THINGS = {
    "removeTenantAccess": {"flavor_id": "private_flavor"},
    "addTenantAccess": {"flavor_id": "private_flavor"},
    "remove_host": {"aggregate_id": "full_aggregate"},
}
ALIASES = {"compute": "os-keypairs", "network": "sorting"}
# (service, path) -> a query without which the request would speak of something of the caller's own
QUERIES = {("compute", "/os-keypairs/{name}"): "user_id={user_id}"}


def find(service: str, route: Route, caller: str) -> bool | None:
    """Tell whether a caller is let through where the tables do not say it; None where they do."""
    if service == "compute" and is_gone(route):  # 410 for everybody who has a token
        return caller not in ("nobody", "forged", "expired")
    return ACCESS.get((service, route.method, route.path), {}).get(caller)


def is_gone(route: Route) -> bool:
    """Tell whether a route only says that it was removed."""
    return getattr(route.handler, "__name__", "") == "gone"


def is_past_the_rule(text: str) -> bool:
    """Tell whether a refusal is one that everybody gets who may ask."""
    return any(words in text for words in PAST_THE_RULE)


def things(ids: Ids, service: str, route: Route) -> dict[str, str]:
    """Give the values of a path's fields."""
    found = dict(ids) | {"service_id": ids.get(f"{service}_service_id", ""), "alias": ALIASES.get(service, "")}
    other = THINGS.get((service, route.method, route.path), {}) | ACTION_THINGS.get(route.action or "", {})
    return collections.defaultdict(lambda: NOTHING, found | {name: ids.get(key, NOTHING) for name, key in other.items()})


def body(ids: Ids, service: str, route: Route) -> Any:
    """Give a body that speaks of something real; None where any will do that fits the schema."""
    made = BODIES.get((service, f"{route.method} {route.path}", route.action or ""))
    return made(ids) if made else None


def _login(ids: Ids) -> Any:
    user = {"id": ids["user_id"], "password": PASSWORD}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


def _endpoint(ids: Ids) -> Any:
    return {"endpoint": {"service_id": ids["identity_service_id"], "interface": "admin", "url": "http://things.test"}}


def _server(ids: Ids) -> Any:
    port = {"uuid": ids["network_id"]}
    return {"server": {"name": "new", "flavorRef": "1", "imageRef": ids["public_image"], "networks": [port]}}


def _service(_ids: Ids) -> Any:
    return {"host": "host1", "binary": "nova-compute"}


BODIES: dict[tuple[str, str, str], Callable[[Ids], Any]] = {
    ("identity", "POST /auth/tokens", ""): _login,
    ("identity", "POST /users/{user_id}/password", ""): lambda ids: {
        "user": {"original_password": PASSWORD, "password": "another password"}
    },
    ("identity", "POST /endpoints", ""): _endpoint,
    ("identity", "PATCH /regions/{region_id}", ""): lambda ids: {"region": {"description": "far"}},
    ("identity", "POST /registered_limits", ""): lambda ids: {
        "registered_limits": [{"service_id": ids["identity_service_id"], "resource_name": "dogs", "default_limit": 9}]
    },
    ("identity", "PATCH /registered_limits/{registered_limit_id}", ""): lambda ids: {"registered_limit": {"default_limit": 8}},
    ("identity", "POST /limits", ""): lambda ids: {
        "limits": [
            {
                "service_id": ids["identity_service_id"],
                "project_id": ids["other_project"],
                "resource_name": "cats",
                "resource_limit": 5,
            }
        ]
    },
    ("identity", "POST /credentials", ""): lambda ids: {
        "credential": {"type": "cert", "blob": "{}", "user_id": ids["user_id"]}
    },
    ("identity", "POST /users/{user_id}/credentials/OS-EC2", ""): lambda ids: {"tenant_id": ids["project_id"]},
    ("compute", "POST /servers", ""): _server,
    ("compute", "PUT /servers/{server_id}/metadata/{key}", ""): lambda ids: {"meta": {"color": "blue"}},
    ("compute", "PUT /flavors/{flavor_id}/os-extra_specs/{key}", ""): lambda ids: {"color": "blue"},
    ("compute", "POST /flavors/{flavor_id}/action", "removeTenantAccess"): lambda ids: {
        "removeTenantAccess": {"tenant": ids["project_id"]}
    },
    ("compute", "POST /flavors/{flavor_id}/action", "addTenantAccess"): lambda ids: {
        "addTenantAccess": {"tenant": ids["other_project"]}
    },
    ("compute", "POST /os-server-groups", ""): lambda ids: {"server_group": {"name": "new", "policy": "affinity"}},
    ("compute", "POST /os-aggregates", ""): lambda ids: {"aggregate": {"name": "new"}},
    ("compute", "PUT /os-aggregates/{aggregate_id}", ""): lambda ids: {"aggregate": {"name": "new"}},
    ("compute", "POST /os-aggregates/{aggregate_id}/action", "add_host"): lambda ids: {"add_host": {"host": "host1"}},
    ("compute", "POST /os-aggregates/{aggregate_id}/action", "remove_host"): lambda ids: {"remove_host": {"host": "host1"}},
    ("compute", "PUT /os-services/{service_id}", ""): lambda ids: {"status": "enabled"},
    ("compute", "PUT /os-services/enable", ""): _service,
    ("compute", "PUT /os-services/disable", ""): _service,
    ("compute", "PUT /os-services/disable-log-reason", ""): lambda ids: _service(ids) | {"disabled_reason": "tests"},
    ("compute", "PUT /os-services/force-down", ""): lambda ids: _service(ids) | {"forced_down": True},
    ("compute", "PUT /os-quota-class-sets/{name}", ""): lambda ids: {"quota_class_set": {"cores": 7}},
    ("compute", "POST /os-keypairs", ""): lambda ids: {"keypair": {"name": "new", "type": "ssh", "public_key": PUBLIC_KEY}},
    ("compute", "POST /os-server-external-events", ""): lambda ids: {
        "events": [{"name": "network-changed", "server_uuid": ids["server_id"]}]
    },
    ("compute", "POST /servers/{server_id}/action", "resize"): lambda ids: {"resize": {"flavorRef": "2"}},
    ("compute", "POST /servers/{server_id}/action", "rebuild"): lambda ids: {"rebuild": {"imageRef": ids["public_image"]}},
    ("compute", "POST /servers/{server_id}/action", "os-migrateLive"): lambda ids: {
        "os-migrateLive": {"host": None, "block_migration": "auto"}
    },
    ("compute", "POST /os-volumes_boot", ""): _server,
    ("compute", "POST /servers/{server_id}/os-interface", ""): lambda ids: {
        "interfaceAttachment": {"net_id": ids["network_id"]}
    },
    ("image", "PATCH /images/{image_id}", ""): lambda ids: [{"op": "replace", "path": "/name", "value": "new"}],
    ("image", "POST /images/{image_id}/import", ""): lambda ids: {
        "method": {"name": "web-download", "uri": "http://example.org/image"}
    },
    ("image", "POST /tasks", ""): lambda ids: {
        "type": "import",
        "input": {
            "import_from": "http://example.org/image",
            "import_from_format": "raw",
            "image_properties": {"container_format": "bare"},
        },
    },
    ("image", "POST /images/{image_id}/members", ""): lambda ids: {"member": ids["other_project"]},
    ("image", "PUT /images/{image_id}/members/{member_id}", ""): lambda ids: {"status": "accepted"},
    ("network", "POST /networks", ""): lambda ids: {"network": {"name": "new"}},
    ("network", "POST /subnets", ""): lambda ids: {
        "subnet": {"network_id": ids["own_network"], "cidr": "10.6.0.0/24", "ip_version": 4}
    },
    ("network", "POST /ports", ""): lambda ids: {"port": {"network_id": ids["network_id"]}},
}
