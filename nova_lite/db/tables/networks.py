"""Networks, subnets, ports and their addresses."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

networks = sa.Table(
    "networks",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("project_id", sa.String(64)),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("bridge", sa.String(15), nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False, default=1500),
    sa.Column("shared", sa.Boolean, nullable=False, default=False),
    sa.Column("segment", sa.Integer),  # its number on the wire; NULL: hosts connect it to what is around them
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    sa.Column("description", sa.String(255), nullable=False, default="", server_default=""),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.Index("ix_networks_segment", "segment", unique=True),
    sa.Index("ix_networks_project_id", "project_id"),
)

subnets = sa.Table(
    "subnets",
    METADATA,
    uuid_column("id", primary_key=True),
    uuid_column("network_id", nullable=False),
    sa.Column("project_id", sa.String(64)),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("pool_start", sa.String(64), nullable=False),
    sa.Column("pool_end", sa.String(64), nullable=False),
    sa.Column("dns_nameservers", Json, nullable=False),
    sa.Column("allocation_pools", Json),  # [[first, last], ...]; NULL: from pool_start to pool_end
    sa.Column("host_routes", Json),  # [[destination, nexthop], ...]; NULL: none
    sa.Column("enable_dhcp", sa.Boolean, nullable=False, default=True),
    sa.Column("description", sa.String(255), nullable=False, default="", server_default=""),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.ForeignKeyConstraint(["network_id"], ["networks.id"]),
)

ports = sa.Table(
    "ports",
    METADATA,
    uuid_column("id", primary_key=True),
    uuid_column("network_id", nullable=False),
    sa.Column("project_id", sa.String(64)),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("mac_address", sa.String(17), nullable=False),
    uuid_column("server_id"),
    sa.Column("host", sa.String(255)),
    sa.Column("device_owner", sa.String(255), nullable=False, default=""),
    sa.Column("owned_by_operation", sa.String(128), unique=True),  # run.key(step) and the index: made once
    sa.Column("status", sa.String(16), nullable=False, default="DOWN"),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("description", sa.String(255), nullable=False, default=""),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.UniqueConstraint("network_id", "mac_address"),
    sa.ForeignKeyConstraint(["network_id"], ["networks.id"]),
    sa.Index("ix_ports_server_id", "server_id"),
    sa.Index("ix_ports_project_id", "project_id"),
)

addresses = sa.Table(
    "addresses",
    METADATA,
    uuid_column("subnet_id", primary_key=True),
    sa.Column("ip_address", sa.String(64), primary_key=True),
    sa.Column("ip_number", sa.BigInteger, nullable=False),  # IPv4 as a number: finds the lowest free one
    uuid_column("port_id", nullable=False),
    epoch("added_at"),  # of what a port got beside its first address
    sa.ForeignKeyConstraint(["port_id"], ["ports.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["subnet_id"], ["subnets.id"]),
    sa.Index("ix_addresses_port_id", "port_id"),
)
