"""What guides the choice of hosts: aggregates of hosts, and groups of servers."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

aggregates = sa.Table(
    "aggregates",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    uuid_column("uuid", nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("metadata", Json, nullable=False, key="properties"),  # `availability_zone` names the zone of its hosts
    epoch("created_at", nullable=False),
    epoch("updated_at"),
)

aggregate_hosts = sa.Table(
    "aggregate_hosts",
    METADATA,
    sa.Column("aggregate_id", sa.Integer, sa.ForeignKey("aggregates.id"), primary_key=True),
    sa.Column("host", sa.String(255), sa.ForeignKey("hosts.name"), primary_key=True),
    sa.Index("ix_aggregate_hosts_host", "host"),
)

server_groups = sa.Table(
    "server_groups",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("policy", sa.String(32), nullable=False),
    sa.Column("max_per_host", sa.Integer),  # of anti-affinity only; NULL where the rule was not given: 1
    epoch("created_at", nullable=False),
    sa.Index("ix_server_groups_project_page", "project_id", "created_at", "id"),
)

# A server joins its group when it is accepted, and leaves it when it is deleted: never later.
server_group_members = sa.Table(
    "server_group_members",
    METADATA,
    uuid_column("server_id", primary_key=True),
    sa.Column("group_id", sa.String(36), sa.ForeignKey("server_groups.id"), nullable=False),
    sa.Index("ix_server_group_members_group_id", "group_id"),
)
