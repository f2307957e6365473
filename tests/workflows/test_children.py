"""A server's end waits for what runs on its attachments, which it has cancelled."""

from __future__ import annotations

from workflows import demo, servers
from workflows.engine_harness import Rig

from nova_lite.durable import journal
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.server import ServerState
from nova_lite.workflows import delete
from nova_lite.workflows.delete import DELETE
from nova_lite.workflows.desk import SERVER


def test_delete_waits_for_the_servers_children_to_end(database):
    stage = servers.SettledStage(database, DELETE, delete.accept, PowerState.RUNNING)
    stage.others = (demo.BUILD,)
    server = stage.servers[0]
    child = demo.DemoStage(database, demo.BUILD)
    new = journal.NewOperation(
        workflow=demo.BUILD,
        subject_kind=demo.THING,
        subject_id=child.thing,
        params=demo.DemoParams(thing=ServerId(child.thing)),
        parent=journal.Subject(SERVER, server.id),
    )
    child_id = database.transact(lambda tx: journal.accept(tx, new))
    rig = Rig(stage, database)

    with database.read() as tx:
        names = [signal.name for signal in journal.signals_of(tx, child_id)]
    row = rig.play()

    assert names == ["cancel"]
    with database.read() as tx:
        ended = journal.operation(tx, child_id)
    assert ended.outcome == "cancelled"
    assert row.outcome == "done"
    assert row.ended_at >= ended.ended_at
    assert stage.row(server).state is ServerState.DELETED
