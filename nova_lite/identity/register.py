"""Makes this cloud known in an outside Keystone: its service user, its services and their endpoints. Safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.conf.identity import KeystoneOptions
from nova_lite.identity.bootstrap import CATALOG
from nova_lite.identity.catalog import INTERFACES
from nova_lite.identity.outside import Outside

ROLE = "service"  # which Keystone's own rules let check tokens

Say = Callable[[str], None]


def register(admin: Outside, options: KeystoneOptions, *, password: str, public_url: str, say: Say) -> None:
    """Make what is missing, set the service user's password, point our endpoints at `public_url`; say what was changed.

    Services that have our type and another name are left alone, and so are endpoints of other regions.
    Raises: NotFound for the domain; Conflict for a service of our type that is not ours; Forbidden; Unavailable.
    """
    domain = admin.find("domains", name=options.domain)
    if domain is None:
        raise errors.NotFound(f"Keystone has no domain named {options.domain}.")
    _check_services(admin)
    _ensure_user(admin, options, domain["id"], password, say)
    if not admin.has(f"regions/{options.region}"):
        admin.create("region", "regions", {"id": options.region})
        say(f"region {options.region}: made")
    for kind, name, path in CATALOG:
        if kind != "identity":
            _ensure_service(admin, (kind, name), options.region, public_url.rstrip("/") + path, say)


def _check_services(admin: Outside) -> None:
    """Refuse before anything is changed. Raises: Conflict."""
    for kind, name, _ in CATALOG:
        found = [service for service in admin.list("services", type=kind) if service.get("name") != name]
        if kind != "identity" and found:
            raise errors.Conflict(
                f"Keystone's catalog has a service {found[0].get('name')} of type {kind} ({found[0]['id']}) that is not ours; "
                "take it away first, or clients would find two."
            )


def _ensure_user(admin: Outside, options: KeystoneOptions, domain_id: str, password: str, say: Say) -> None:
    project = admin.find("projects", name=options.project, domain_id=domain_id)
    if project is None:
        body = {"name": options.project, "domain_id": domain_id, "description": "Users of services"}
        project = admin.create("project", "projects", body)
        say(f"project {options.project}: made")
    user = admin.find("users", name=options.user, domain_id=domain_id)
    if user is None:
        body = {"name": options.user, "domain_id": domain_id, "password": password, "description": "Checks tokens"}
        user = admin.create("user", "users", body)
        say(f"user {options.user}: made")
    elif not _lets_in(options, password):
        admin.change("user", f"users/{user['id']}", {"password": password, "enabled": True})
        say(f"user {options.user}: password set")
    role = admin.find("roles", name=ROLE)
    if role is None:
        role = admin.create("role", "roles", {"name": ROLE})
        say(f"role {ROLE}: made")
    grant = f"projects/{project['id']}/users/{user['id']}/roles/{role['id']}"
    if not admin.has(grant):
        admin.put(grant)
        say(f"role {ROLE} of {options.user} in {options.project}: granted")


def _lets_in(options: KeystoneOptions, password: str) -> bool:
    """Whether the service user has this password; without a scope, since its role may be missing still."""
    auth = {"auth_url": options.auth_url, "username": options.user, "password": password, "user_domain_name": options.domain}
    try:
        Outside(auth | {"unscoped": True}, ca_file=options.ca_file).log_in()
    except errors.Unauthorized:
        return False
    return True


def _ensure_service(admin: Outside, what: tuple[str, str], region: str, url: str, say: Say) -> None:
    kind, name = what
    service = admin.find("services", type=kind)
    if service is None:
        service = admin.create("service", "services", {"type": kind, "name": name})
        say(f"service {name} ({kind}): made")
    held = {one["interface"]: one for one in admin.list("endpoints", service_id=service["id"], region_id=region)}
    for interface in INTERFACES:
        body = {"service_id": service["id"], "interface": interface, "region_id": region, "url": url}
        if interface not in held:
            admin.create("endpoint", "endpoints", body)
            say(f"endpoint {kind} {interface}: {url}")
        elif held[interface]["url"] != url:
            admin.change("endpoint", f"endpoints/{held[interface]['id']}", {"url": url})
            say(f"endpoint {kind} {interface}: {held[interface]['url']} becomes {url}")
