"""`nova-lite doctor` on a cloud that works, and on one with a crafted difference of each kind."""

from __future__ import annotations

import json
import time
import uuid

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.clock import SimulatedClock, SystemClock
from nova_lite.conductor.differences import library
from nova_lite.conductor.reconcilers import history
from nova_lite.conductor.reconcilers.differences import Differences
from nova_lite.db import differences
from nova_lite.db.engine import Database
from nova_lite.db.tables.images import images
from nova_lite.db.tables.inventory import claims, hosts, repairs, services, strangers, tombstones
from nova_lite.db.tables.journal import kept_answers, operations, signals, subjects
from nova_lite.db.tables.networks import ports
from nova_lite.db.tables.outbox import outbox
from nova_lite.db.tables.quota import quota_usage
from nova_lite.db.tables.servers import servers
from nova_lite.image.stores.registry import make_store

NOT_HERE = {"daemons", "broker"}  # this cloud is one process with a broker of its own


class Doctor:
    """Calls the command on the cloud in this process."""

    def __init__(self, cloud):
        self._config = cloud.folder / "nova-lite.conf"
        folders = f"state_dir = {cloud.folder}\nrun_dir = {cloud.folder}\n"
        self._config.write_text(f"[DEFAULT]\n{folders}[database]\nurl = {cloud.url}\n[compute]\ndriver = fake\n")

    def __call__(self, *options):
        """Give what it finds, but what this cloud cannot have."""
        answer = CliRunner().invoke(command, ["--config-file", str(self._config), "doctor", "--json", *options])
        assert answer.exit_code == 1 and isinstance(answer.exception, SystemExit), (answer.output, answer.exc_info)
        found = json.loads(answer.stdout)
        assert {one["check"] for one in found} >= NOT_HERE
        assert all(set(one) == {"check", "subject", "problem", "help", "repair"} for one in found)
        return [one for one in found if one["check"] not in NOT_HERE]


@pytest.fixture
def examine(cloud):
    """Give the doctor."""
    return Doctor(cloud)


@pytest.fixture
def server_id(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    return server_id


def write(cloud, statement):
    cloud.database.transact(lambda tx: tx.execute(statement))


def test_a_cloud_that_works_is_sound_while_servers_come_and_go(cloud, examine, server_id):
    assert examine() == []

    cloud.ask("DELETE", f"/servers/{server_id}")
    assert examine() == []
    cloud.wait_gone(server_id)
    assert examine() == []


# -- one crafted difference of each kind: statements, or what is done to the cloud -----------------------------------------

CRAFTED = {}


def crafted(check, repaired=True):
    """Register what spoils a cloud for one kind. `repaired`: whether `--repair` mends it."""

    def register(spoil):
        CRAFTED[spoil.__name__] = (spoil, check, repaired)
        return spoil

    return register


def stranger_id():
    return str(uuid.uuid4())


def subject_of(server_id):
    return subjects.update().where(subjects.c.id == server_id)


def operation_of(server_id, **values):
    """Make a row of an operation that sleeps an hour."""
    there = {"workflow": "boot", "version": 1, "subject_kind": "server", "subject_id": server_id, "params": {}, "results": {}}
    told = {
        "state": {"started_at": time.time()},
        "events": [],
        "started_at": time.time(),
        "wake_at": 1e12,
        "step": "choose_hosts",
    }
    return operations.insert().values(id=stranger_id(), boot_id=SystemClock().boot_id(), **{**there, **told, **values})


@crafted("claims")
def orphan_claim(cloud, server_id):
    values = {"server_id": stranger_id(), "role": "current", "host": "h1", "vcpus": 1, "ram_mib": 2, "disk_gib": 3}
    write(cloud, claims.insert().values(**values, created_at=0))
    used = {"vcpus_used": hosts.c.vcpus_used + 1, "ram_mib_used": hosts.c.ram_mib_used + 2}
    write(cloud, hosts.update().where(hosts.c.name == "h1").values(**used, disk_gib_used=hosts.c.disk_gib_used + 3))


@crafted("claims")
def host_usage(cloud, server_id):
    write(cloud, hosts.update().where(hosts.c.name == "h1").values(vcpus_used=hosts.c.vcpus_used + 3))


@crafted("claims")
def unclaimed_server(cloud, server_id):
    with cloud.database.read() as tx:
        claim = tx.execute(claims.select().where(claims.c.server_id == server_id)).mappings().one()
    write(cloud, claims.delete().where(claims.c.server_id == server_id))
    used = {f"{name}_used": hosts.c[f"{name}_used"] - claim[name] for name in ("vcpus", "ram_mib", "disk_gib")}
    write(cloud, hosts.update().where(hosts.c.name == claim["host"]).values(**used))


@crafted("quota")
def quota(cloud, server_id):
    write(cloud, quota_usage.update().where(quota_usage.c.resource == "ram").values(used=quota_usage.c.used + 7))


@crafted("ports")
def port_of_nobody(cloud, server_id):
    write(cloud, ports.update().where(ports.c.server_id == server_id).values(server_id=stranger_id()))


@crafted("services")
def old_service(cloud, server_id):
    values = {"uuid": stranger_id(), "number": 77, "binary": "nova-conductor", "host": "gone"}
    write(cloud, services.insert().values(**values, updated_at=time.time() - 90000))


@crafted("hosts", repaired=False)
def tombstone(cloud, server_id):
    cloud.hosts["h1"].stop()  # which would obey it
    values = {"host": "h1", "server_id": stranger_id(), "fence": 1, "turn": 1, "created_at": time.time()}
    write(cloud, tombstones.insert().values(**values))


@crafted("guests", repaired=False)
def stranger(cloud, server_id):
    write(cloud, strangers.insert().values(host="h1", server_id=stranger_id(), seen_at=time.time()))


@crafted("guests", repaired=False)
def missing_guest(cloud, server_id):
    write(cloud, servers.update().where(servers.c.id == server_id).values(state="stopped", power_state=0))


@crafted("guests", repaired=False)
def crashed_guest(cloud, server_id):
    write(cloud, servers.update().where(servers.c.id == server_id).values(state="stopped", power_state=6))


@crafted("operations", repaired=False)
def unserved(cloud, server_id):
    write(cloud, operation_of(server_id, workflow="delete", wake_at=0.001))
    claim_subject(cloud, server_id)


@crafted("operations", repaired=False)
def overdue(cloud, server_id):
    write(cloud, operation_of(server_id, workflow="delete", deadline_at=0.001, unwinding=True))
    claim_subject(cloud, server_id)


@crafted("operations", repaired=False)
def stuck_outbox(cloud, server_id):
    row = {"event_type": "instance.update", "priority": "INFO", "publisher_id": "p", "payload": {}, "created_at": 1.0}
    write(cloud, outbox.insert().values(**row, message_id=stranger_id()))


def claim_subject(cloud, server_id):
    with cloud.database.read() as tx:
        living = tx.execute(operations.select().where(operations.c.ended_at.is_(None))).mappings().one()
    write(cloud, subject_of(server_id).values(live_operation=living["id"]))


@crafted("operations")
def dead_subject(cloud, server_id):
    write(cloud, subject_of(server_id).values(live_operation=stranger_id()))


@crafted("operations")
def closed_subject(cloud, server_id):
    write(cloud, subject_of(server_id).values(closed=True))


@crafted("operations")
def children(cloud, server_id):
    write(cloud, subject_of(server_id).values(children=2))


@crafted("operations")
def forgotten_operation(cloud, server_id):
    write(cloud, operation_of(server_id, wake_at=None, held_by=stranger_id()))
    claim_subject(cloud, server_id)


@crafted("operations")
def stray_operation(cloud, server_id):
    write(cloud, operation_of(server_id))


@crafted("operations")
def stuck_server(cloud, server_id):
    write(cloud, servers.update().where(servers.c.id == server_id).values(state="building"))


@crafted("operations")
def unread_delete(cloud, server_id):
    with cloud.database.read() as tx:
        ended = tx.execute(operations.select().where(operations.c.subject_id == server_id)).mappings().first()
    values = {"operation_id": ended["id"], "seq": 99, "name": "delete", "body": {"user_id": "u", "request_id": "req-1"}}
    write(cloud, signals.insert().values(**values, created_at=time.time()))


@crafted("images")
def cut_upload(cloud, server_id):
    write(cloud, images.update().values(status="saving", upload_id=stranger_id(), location=None))
    for path in (cloud.folder / "images").rglob("*.*"):
        path.unlink()


@crafted("images")
def nameless_file(cloud, server_id):
    incoming = cloud.folder / "images" / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / f"{stranger_id()}.{stranger_id()}").write_bytes(b"half")


@crafted("images", repaired=False)
def lost_file(cloud, server_id):
    for path in (cloud.folder / "images").rglob("*.*"):
        path.unlink()


@crafted("owners", repaired=False)
def ownerless(cloud, server_id):
    write(cloud, images.update().values(owner=uuid.uuid4().hex))


def test_what_a_deleted_project_had_is_listed_until_an_administrator_deletes_it(cloud, examine, server_id):
    group = cloud.ask("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}}).json
    image_id = cloud.server(server_id)["image"]["id"]
    project_id = cloud.server(server_id)["tenant_id"]
    admin = cloud.log_in("admin")

    gone = cloud.client.simulate_delete(f"/identity/v3/projects/{project_id}", headers=admin)

    assert gone.status_code == 204, gone.text
    assert cloud.ask("GET", f"/servers/{server_id}").status_code == 401
    assert cloud.server(server_id, user="admin")["status"] == "ACTIVE"
    kinds = ("image", "port", "server", "server group")
    assert [(one["check"], one["subject"]) for one in examine()] == [("owners", f"{kind}s of {project_id}") for kind in kinds]
    for path in (f"/servers/{server_id}", f"/os-server-groups/{group['server_group']['id']}"):
        assert cloud.ask("DELETE", path, user="admin").status_code == 204
    cloud.wait(lambda: cloud.server(server_id, user="admin") is None, "the server is gone")
    assert cloud.client.simulate_delete(f"/image/v2/images/{image_id}", headers=admin).status_code == 204
    assert examine() == []


def test_each_kind_has_a_crafted_difference(cloud):
    kinds = library.all_kinds(make_store((cloud.folder / "images").as_uri()))

    assert set(CRAFTED) == {kind.name for kind in kinds}
    assert {name for name, case in CRAFTED.items() if case[2]} == {kind.name for kind in kinds if kind.repair}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_difference_of_each_kind_is_found_repaired_and_gone(cloud, examine, server_id, name):
    spoil, check, repaired = CRAFTED[name]
    cloud.conductor.stop()  # which would mend it
    spoil(cloud, server_id)

    found = examine()
    left = examine("--repair")

    assert [one["check"] for one in found] == [check], found
    assert bool(found[0]["repair"]) is repaired
    assert left == ([] if repaired else found) or name in ("unserved", "overdue", "stuck_outbox"), left
    with cloud.database.read() as tx:
        rows = differences.select_repairs(tx, 10)
    assert [row["check_name"] for row in rows] == ([name] if repaired else [])
    assert all(row["repaired_by"].startswith("doctor on ") and row["done"] for row in rows)


def test_a_server_without_claim_stays_a_finding_while_its_host_has_no_room(cloud, examine, server_id):
    cloud.conductor.stop()
    unclaimed_server(cloud, server_id)
    write(cloud, hosts.update().values(ram_mib_limit=1))

    left = examine("--repair")

    assert [(one["check"], one["subject"], one["repair"]) for one in left] == [("claims", server_id, None)]
    assert "no room" in left[0]["help"]


def test_what_hangs_together_is_repaired_in_one_go(cloud, examine, server_id):
    cloud.conductor.stop()
    write(cloud, servers.update().where(servers.c.id == server_id).values(state="deleted"))
    write(cloud, subject_of(server_id).values(live_operation=stranger_id()))

    assert {one["check"] for one in examine()} == {"operations", "quota"}
    assert examine("--repair") == []


def test_a_stuck_server_is_shown_as_error_and_can_be_deleted(cloud, examine, server_id):
    cloud.conductor.stop()
    stuck_server(cloud, server_id)

    examine("--repair")

    server = cloud.server(server_id)
    assert server["status"] == "ERROR"
    assert "no operation was left" in server["fault"]["message"]


def test_a_conductor_mends_what_it_sees_for_half_a_minute_and_says_so(cloud, server_id):
    cloud.conductor.stop()
    host_usage(cloud, server_id)
    closed_subject(cloud, server_id)
    clock = SimulatedClock()
    database = Database(cloud.url, clock)
    two = [Differences(database, library.all_kinds(None), name) for name in ("c1", "c2")]

    first = [one.reconcile() for one in two]
    clock.sleep(29)
    too_soon = [one.reconcile() for one in two]
    clock.sleep(2)
    mended = [one.reconcile() for one in two]

    assert (first, too_soon, mended) == ([0, 0], [0, 0], [2, 0])
    with database.read() as tx:
        rows = differences.select_repairs(tx, 10)
    assert {row["check_name"] for row in rows} == {"host_usage", "closed_subject"}
    assert {row["repaired_by"] for row in rows} == {"c1"}
    database.dispose()


def test_beside_other_machines_only_bytes_without_a_name_are_removed(cloud, server_id):
    cloud.conductor.stop()
    nameless_file(cloud, server_id)
    write(cloud, images.update().values(status="saving", upload_id=stranger_id()))
    store = make_store((cloud.folder / "images").as_uri())
    clock = SimulatedClock()
    database = Database(cloud.url, clock)
    conductor = Differences(database, library.all_kinds(store, alone=False), "c1")

    conductor.reconcile()
    clock.sleep(31)

    assert conductor.reconcile() == 1
    with database.read() as tx:
        assert [row["check_name"] for row in differences.select_repairs(tx, 10)] == ["nameless_file"]
        assert set(tx.execute(sa.select(images.c.status)).scalars()) == {"saving"}
    database.dispose()


def test_repairs_and_kept_answers_are_purged_with_the_history(cloud):
    old = time.time() - 31 * 86400
    repair = {"check_name": "quota", "subject": "p", "problem": "wrong", "done": "right", "repaired_by": "c1"}
    answer = {"scope": "s", "fingerprint": "f", "status": 202, "answer": "{}"}
    for age, key in ((old, "old"), (time.time(), "new")):
        write(cloud, repairs.insert().values(**repair | {"subject": key}, repaired_at=age))
        write(cloud, kept_answers.insert().values(**answer, key=key, created_at=age))

    history.reconcile(cloud.database)

    with cloud.database.read() as tx:
        assert [row["subject"] for row in differences.select_repairs(tx, 10)] == ["new"]
        assert list(tx.execute(sa.select(kept_answers.c.key)).scalars()) == ["new"]
