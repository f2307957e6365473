"""A cloud in one process with something of everything, people of every kind, and a way to put it back as it was."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import falcon.testing

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.conf.image import ImageOptions
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.durable import journal
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.policy import Policy
from nova_lite.identity.port import Call
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.image.service import make_images
from nova_lite.image.usage import Usage
from nova_lite.inventory import aggregates, hosts
from nova_lite.model.console import ConsolePlace
from nova_lite.model.diagnostics import Diagnostics
from nova_lite.model.guest import PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.network import Port
from nova_lite.model.resources import Resources
from nova_lite.model.server import Server, ServerAddress, ServerState
from nova_lite.network import bootstrap as network_bootstrap
from nova_lite.network import records as network_records
from nova_lite.network.service import Networks
from nova_lite.servers import flavors, records
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.power import REBOOT, PowerParams

PASSWORD = "the password of all"
DOMAIN = {"id": "default"}
URL = "http://cloud.test"
DAY_S = 86400.0
SERVER = str(uuid.UUID(int=100))
STOPPED = str(uuid.UUID(int=101))
REQUEST = "req-00000000-0000-0000-0000-000000000001"
# name -> role and where; a project by its name, the whole system, the domain of all, or one of its own
PEOPLE = {
    "admin": ("admin", "admin"),
    "member": ("member", "demo"),
    "reader": ("reader", "demo"),
    "manager": ("manager", "demo"),
    "other": ("member", "other"),
    "auditor": ("reader", "system"),
    "service": ("service", "other"),
    "domain_manager": ("manager", "domain"),
    "domain_reader": ("reader", "domain"),
    "foreign_manager": ("manager", "far"),
}


class Compute:
    """A host that answers with the end of a console."""

    def get_console(self, host: str, message: object, *, timeout_s: float = 5.0) -> ConsolePlace:
        return ConsolePlace(address="192.0.2.1", port=40000, fingerprint="0" * 64)

    def get_console_output(self, host: str, message: object, *, timeout_s: float = 5.0) -> str:
        return "login: "

    def get_diagnostics(self, host: str, message: object, *, timeout_s: float = 5.0) -> Diagnostics:
        return Diagnostics(driver="libvirt", hypervisor="kvm", hypervisor_os="linux", uptime_s=None, memory_mib=128)

    def get_uptime(self, host: str, *, timeout_s: float = 5.0) -> str:
        return "up 1 min"

    def cache_images(self, host: str, message: object, envelope: object = None) -> None:
        """Be told."""


class Identity(types.SimpleNamespace):
    """The identity service, which is exchanged for a fresh one when the world is put back; also the door."""

    def check(self, token: str, request_id: str, call: Call | None = None) -> Context:
        return self.tokens.check(token, request_id, call)


# field of a path -> what makes its thing, where that is served: request, body, and where in the answer the value stands
THINGS: tuple[tuple[str, str, Callable[[dict[str, str]], Any], str], ...] = (
    ("value", "PUT /projects/{project_id}/tags/blue", lambda ids: None, "=blue"),
    (
        "credential_id",
        "POST /credentials",
        lambda ids: {"credential": {"type": "cert", "blob": "{}", "user_id": ids["user_id"]}},
        "credential.id",
    ),
    (
        "ec2_id",
        "POST /users/{user_id}/credentials/OS-EC2",
        lambda ids: {"tenant_id": ids["project_id"]},
        "credential.access",
    ),
    (
        "registered_limit_id",
        "POST /registered_limits",
        lambda ids: {
            "registered_limits": [
                {"service_id": ids["identity_service_id"], "resource_name": "cats", "default_limit": 9},
            ]
        },
        "registered_limits.0.id",
    ),
    (
        "limit_id",
        "POST /limits",
        lambda ids: {
            "limits": [
                {
                    "service_id": ids["identity_service_id"],
                    "project_id": ids["project_id"],
                    "resource_name": "cats",
                    "resource_limit": 5,
                }
            ]
        },
        "limits.0.id",
    ),
    (
        "free_registered_limit",
        "POST /registered_limits",
        lambda ids: {
            "registered_limits": [
                {"service_id": ids["identity_service_id"], "resource_name": "birds", "default_limit": 9},
            ]
        },
        "registered_limits.0.id",
    ),
    ("consumer_id", "POST /OS-OAUTH1/consumers", lambda ids: {"consumer": {}}, "consumer.id"),
)
INHERITED = "PUT /OS-INHERIT/{place}/{actor}/roles/{role_id}/inherited_to_projects"


class World:
    """The cloud. `ids` are the values of paths' fields; `tokens` by caller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "cloud.db"
        self.database = Database(f"sqlite:///{self.file}")
        create_all(self.database)
        bootstrap(self.database, admin_password=PASSWORD, demo_password=PASSWORD, region="RegionOne", public_url=URL)
        flavors.bootstrap(self.database)
        network_bootstrap.bootstrap(self.database)
        self.identity = Identity()
        self.renew()
        images = make_images(self.database, folder, ImageOptions(store=(folder / "images").as_uri()), URL)
        images.usage = Usage(self.database, flush_s=DAY_S)  # tests look whether a request wrote: nothing else may meanwhile
        parts = Parts(
            database=self.database,
            tokens=self.identity,
            policy=Policy(),
            identity=self.identity,
            images=images,
            network=Networks(self.database),
            compute=Compute(),
            desk=Desk(database=self.database, ring=lambda operation_id: None),
            patience_s=0.0,
        )
        self.client = falcon.testing.TestClient(make_app(parts))
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        Settling(self).settle()
        self._kept = sqlite3.connect(":memory:")
        with sqlite3.connect(self.file) as live:
            live.backup(self._kept)
        shutil.copytree(folder / "images", folder / "kept images")

    def renew(self) -> None:
        """Forget what was revoked and who guessed passwords."""
        ensure_all_keys(self.folder, SystemClock().wall())
        fresh = make_identity(self.database, self.folder, IdentityOptions(), SystemClock())
        self.identity.__dict__.update({field.name: getattr(fresh, field.name) for field in dataclasses.fields(fresh)})

    def put_back(self) -> None:
        """Undo all that requests did."""
        with sqlite3.connect(self.file) as live:
            self._kept.backup(live)
        shutil.copytree(self.folder / "kept images", self.folder / "images", dirs_exist_ok=True)
        self.renew()

    def close(self) -> None:
        self._kept.close()
        self.database.dispose()


def _at(value: Any, where: str) -> str:
    for step in where.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return str(value)


class Settling:
    """Fills a new cloud, by its own APIs where they can."""

    def __init__(self, world: World) -> None:
        self.world = world

    def settle(self) -> None:
        self.world.tokens["admin"] = self._log_in("admin", {"project": {"name": "admin", "domain": DOMAIN}})
        self._people()
        self._identity()
        self._where_served()
        self._others()
        self.world.database.transact(self._hosts_and_servers)
        self._broken_tokens()

    def _ask(self, request: str, body: Any = None, who: str = "admin", **headers: str) -> Any:
        method, path = request.split(" ")
        headers = {"X-Auth-Token": self.world.tokens[who]} | {name.replace("_", "-"): value for name, value in headers.items()}
        got = self.world.client.simulate_request(method, path, json=body, headers=headers)
        assert got.status_code < 300, f"{request}: {got.status_code} {got.text}"
        return got.json if got.text else None

    def _log_in(self, name: str, scope: dict[str, Any]) -> str:
        user = {"name": name, "domain": DOMAIN, "password": PASSWORD}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        got = self.world.client.simulate_post("/identity/v3/auth/tokens", json={"auth": auth})
        assert got.status_code == 201, got.text
        return str(got.headers["x-subject-token"])

    def _people(self) -> None:
        ids = self.world.ids
        projects = {each["name"]: each["id"] for each in self._ask("GET /identity/v3/projects")["projects"]}
        made = self._ask("POST /identity/v3/projects", {"project": {"name": "other", "domain_id": "default"}})
        projects["other"] = made["project"]["id"]
        roles = {each["name"]: each["id"] for each in self._ask("GET /identity/v3/roles")["roles"]}
        ids |= {"project_id": projects["demo"], "role_id": roles["reader"], "other_project": projects["other"]}
        ids["admin_project"] = projects["admin"]
        far = self._ask("POST /identity/v3/domains", {"domain": {"name": "far"}})["domain"]["id"]
        places = {"system": "system", "domain": "domains/default", "far": f"domains/{far}"}
        scopes = {"system": {"system": {"all": True}}, "domain": {"domain": DOMAIN}, "far": {"domain": {"id": far}}}
        for name, (role, home) in PEOPLE.items():
            if name == "admin":
                continue
            body = {"user": {"name": name, "password": PASSWORD}}
            user_id = self._ask("POST /identity/v3/users", body)["user"]["id"]
            place = places.get(home) or f"projects/{projects[home]}"
            self._ask(f"PUT /identity/v3/{place}/users/{user_id}/roles/{roles[role]}")
            self.world.tokens[name] = self._log_in(name, scopes.get(home) or {"project": {"id": projects[home]}})
            if name == "member":
                ids["user_id"] = user_id
        for actor in ("users", "groups"):
            if actor == "groups":
                body = {"group": {"name": "crew", "domain_id": "default"}}
                ids["group_id"] = self._ask("POST /identity/v3/groups", body)["group"]["id"]
            key = ids["user_id" if actor == "users" else "group_id"]
            for place in ("system", "domains/default", f"projects/{projects['demo']}"):
                self._ask(f"PUT /identity/v3/{place}/{actor}/{key}/roles/{roles['reader']}")
        self._ask(f"PUT /identity/v3/groups/{ids['group_id']}/users/{ids['user_id']}")

    def _identity(self) -> None:
        ids = self.world.ids
        for key, path, noun, body in (
            ("prior_role_id", "roles", "role", {"name": "chief"}),
            ("implied_role_id", "roles", "role", {"name": "scribe"}),
            ("region_id", "regions", "region", {"id": "elsewhere"}),
            ("identity_service_id", "services", "service", {"type": "object-store", "name": "things"}),
        ):
            ids[key] = self._ask(f"POST /identity/v3/{path}", {noun: body})[noun]["id"]
        self._ask(f"PUT /identity/v3/roles/{ids['prior_role_id']}/implies/{ids['implied_role_id']}")
        endpoint = {"service_id": ids["identity_service_id"], "interface": "public", "url": "http://things.test"}
        ids["endpoint_id"] = self._ask("POST /identity/v3/endpoints", {"endpoint": endpoint})["endpoint"]["id"]
        ids |= {"domain_id": "default", "new_tag": "green"}
        spare = {"domain": {"name": "spare", "enabled": False}}
        ids["disabled_domain"] = self._ask("POST /identity/v3/domains", spare)["domain"]["id"]
        path = f"/identity/v3/users/{ids['user_id']}/application_credentials"
        made = self._ask(f"POST {path}", {"application_credential": {"name": "script"}}, "member")
        ids["application_credential_id"] = made["application_credential"]["id"]
        rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
        body = {"application_credential": {"name": "gone", "access_rules": rules}}
        made = self._ask(f"POST {path}", body, "member")["application_credential"]
        ids["access_rule_id"] = made["access_rules"][0]["id"]
        self._ask(f"DELETE {path}/{made['id']}", who="member")  # a rule that is used cannot be deleted

    def _where_served(self) -> None:
        """Make what routes speak of that came after this file."""
        ids = self.world.ids
        for field, request, body, where in THINGS:
            got = self._try(request.format(**ids), body(ids))
            if got is not None:
                ids[field] = where[1:] if where.startswith("=") else _at(got.json, where)
        for place in ("domains/default", f"projects/{ids['project_id']}"):
            for actor in (f"users/{ids['user_id']}", f"groups/{ids['group_id']}"):
                self._try(INHERITED.format(place=place, actor=actor, role_id=ids["role_id"]), None)

    def _try(self, request: str, body: Any) -> falcon.testing.Result | None:
        """Ask as admin; None where there is no such route."""
        method, path = request.split(" ")
        headers = {"X-Auth-Token": self.world.tokens["admin"]}
        got = self.world.client.simulate_request(method, f"/identity/v3{path}", json=body, headers=headers)
        assert got.status_code < 300 or got.status_code in (404, 405), f"{request}: {got.status_code} {got.text}"
        return got if got.status_code < 300 else None

    def _others(self) -> None:
        ids = self.world.ids
        private = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
        ids["private_flavor"] = self._ask("POST /compute/v2.1/flavors", {"flavor": private})["flavor"]["id"]
        grant = {"addTenantAccess": {"tenant": ids["project_id"]}}
        self._ask(f"POST /compute/v2.1/flavors/{ids['private_flavor']}/action", grant)
        ids["flavor_id"] = "1"
        self._ask("POST /compute/v2.1/flavors/1/os-extra_specs", {"extra_specs": {"color": "red"}})
        self._ask("POST /compute/v2.1/os-keypairs", {"keypair": {"name": "key"}}, "member")
        group = {"server_group": {"name": "apart", "policies": ["anti-affinity"]}}
        ids["server_group_id"] = self._ask("POST /compute/v2.1/os-server-groups", group, "member")["server_group"]["id"]
        for key in ("aggregate_id", "full_aggregate"):
            ids[key] = str(self._ask("POST /compute/v2.1/os-aggregates", {"aggregate": {"name": key}})["aggregate"]["id"])
        image = {"name": "tiny", "disk_format": "raw", "container_format": "bare", "tags": ["tag"], "visibility": "shared"}
        ids["image_id"] = self._ask("POST /image/v2/images", image, "member")["id"]
        self._upload(ids["image_id"], "member")
        self._ask(f"POST /image/v2/images/{ids['image_id']}/members", {"member": ids["admin_project"]}, "member")
        image = {"name": "empty", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
        ids["empty_image"] = self._ask("POST /image/v2/images", image, "member")["id"]
        image = {"name": "all's", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        ids["public_image"] = self._ask("POST /image/v2/images", image)["id"]
        self._upload(ids["public_image"], "admin")
        ids |= {"store_id": "file", "task_id": self._task()}
        ids["member_id"] = ids["admin_project"]
        self._metadefs()
        ids["network_id"] = self._ask("GET /network/v2.0/networks")["networks"][0]["id"]
        ids["subnet_id"] = self._ask("GET /network/v2.0/subnets")["subnets"][0]["id"]
        port = {"port": {"network_id": ids["network_id"], "name": "plug"}}
        ids["port_id"] = self._ask("POST /network/v2.0/ports", port, "member")["port"]["id"]
        ids["own_network"] = self._ask("POST /network/v2.0/networks", {"network": {}}, "member")["network"]["id"]
        subnet = {"subnet": {"network_id": ids["own_network"], "cidr": "10.5.0.0/24", "ip_version": 4}}
        ids["own_subnet"] = self._ask("POST /network/v2.0/subnets", subnet, "member")["subnet"]["id"]
        ids |= {"key": "color", "tag": "tag", "network": "private", "name": "key", "request_id": REQUEST}

    def _metadefs(self) -> None:
        definition = {"title": "Bus", "type": "string"}
        body = {
            "namespace": "Lab",
            "visibility": "public",
            "resource_type_associations": [{"name": "Box", "prefix": "x_"}],
            "objects": [{"name": "disk", "properties": {"bus": definition}}],
            "properties": {"bus": definition},
            "tags": [{"name": "round"}],
        }
        self._ask("POST /image/v2/metadefs/namespaces", body)
        self.world.ids |= {"namespace": "Lab", "resource_type": "Box"}
        self.world.ids |= {"object_name": "disk", "property_name": "bus", "tag_name": "round"}

    def _task(self) -> str:
        properties = {"container_format": "bare", "visibility": "private"}
        asked = {"import_from": "http://example.org/i", "import_from_format": "raw", "image_properties": properties}
        return self._ask("POST /image/v2/tasks", {"type": "import", "input": asked})["id"]

    def _upload(self, image_id: str, who: str) -> None:
        headers = {"X-Auth-Token": self.world.tokens[who], "Content-Type": "application/octet-stream"}
        got = self.world.client.simulate_put(f"/image/v2/images/{image_id}/file", body=b"\0" * 512, headers=headers)
        assert got.status_code == 204, got.text

    def _hosts_and_servers(self, tx: Any) -> None:
        ids = self.world.ids
        facts = HostFacts(
            hypervisor_type="QEMU",
            hypervisor_version=7002022,
            hypervisor_hostname="host1",
            architectures=("x86_64",),
            cpu_info='{"model": "qemu64"}',
            total=Resources(vcpus=4, ram_mib=8192, disk_gib=100),
            reserved=Resources(ram_mib=512),
            zone="nova",
        )
        hosts.add_host(tx, "host1", zone="nova")
        hosts.register(tx, "host1", facts, SchedulerOptions())
        aggregates.add_host(tx, int(ids["full_aggregate"]), "host1")
        (host,) = hosts.list_hosts(tx)
        ids["hypervisor_id"] = ids["compute_service_id"] = host.uuid
        address = ServerAddress(network="private", ip_address="10.0.0.5", mac_address="fa:16:3e:00:00:05")
        for server_id, state, power in (
            (SERVER, ServerState.ACTIVE, PowerState.RUNNING),
            (STOPPED, ServerState.STOPPED, PowerState.SHUTDOWN),
        ):
            server = Server(
                id=server_id,
                name="one",
                hostname="one",
                project_id=ids["project_id"],
                user_id=ids["user_id"],
                state=state,
                power_state=power,
                flavor=flavors.get(tx, "1"),
                image_id=ids["image_id"],
                host="host1",
                addresses=(address,),
                metadata={"color": "red"},
                tags=("tag",),
                created_at=1_700_000_000.0,
                updated_at=1_700_000_000.0,
            )
            records.insert(tx, server)
        self._plug(tx)
        journal.accept(
            tx,
            journal.NewOperation(
                workflow=REBOOT,
                subject_kind="server",
                subject_id=STOPPED,
                params=PowerParams(server_id=STOPPED, host="host1"),
                project_id=ids["project_id"],
                user_id=ids["user_id"],
                request_id=REQUEST,
            ),
        )
        ids |= {"server_id": SERVER, "stopped_server": STOPPED, "host": "host1", "quota_class": "default"}

    def _plug(self, tx: Any) -> None:
        """Give the server a port."""
        ids = self.world.ids
        subnet = network_records.list_subnets(tx)[0]
        ids["server_port"] = str(uuid.UUID(int=102))
        port = Port(
            id=ids["server_port"],
            network_id=subnet.network_id,
            project_id=ids["project_id"],
            name="",
            mac_address="fa:16:3e:00:00:05",
            fixed_ips=(),
            server_id=SERVER,
            host="host1",
        )
        network_records.insert_port(tx, port, (subnet,))

    def _broken_tokens(self) -> None:
        tokens, real = self.world.tokens, self.world.identity.tokens
        good = tokens["admin"]
        tokens["forged"] = good[:-1] + ("A" if good[-1] != "A" else "B")
        claims = real.read(good)
        tokens["expired"] = real.issue(dataclasses.replace(claims, issued_at=1.7e9, expires_at=1.7e9 + 3600))
