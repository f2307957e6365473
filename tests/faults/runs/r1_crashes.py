"""R1: no crash loses or doubles an operation. Here a daemon of each kind is killed while servers are built."""

from __future__ import annotations

import functools

from faults.case import Case, CloudSpec, Stage

SPEC = CloudSpec()
BOOTS = 4


def play_death(stage: Stage, kind: str) -> None:
    """Kill one daemon of a kind while servers are built; all of them are there in the end."""
    cloud = stage.cloud
    image = cloud.image()
    wanted = {cloud.boot(f"r1-{kind}-{number}", image) for number in range(BOOTS)}
    cloud.restart(stage.chance.choice(cloud.names(kind)))
    stage.tally.injected += 1
    cloud.wait(lambda: all(cloud.servers()[one]["status"] == "ACTIVE" for one in wanted), 60, "all servers are ACTIVE")
    for server_id in wanted:
        cloud.delete(server_id)
    cloud.wait(lambda: not wanted & set(cloud.servers()), 60, "all servers are gone")


CASES = tuple(
    Case(
        run="R1",
        name=f"one {kind} dies while servers are built",
        play=functools.partial(play_death, kind=kind),
        spec=SPEC,
        short=kind == "conductor",
        bound_s=120.0,
    )
    for kind in ("api", "conductor", "scheduler", "compute")
)
