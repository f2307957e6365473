"""Registered limits, the limits of projects and domains, and documents of policy."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, long_text

registered_limits = sa.Table(
    "registered_limits",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), nullable=False),
    sa.Column("region_id", sa.String(255), nullable=False, default=""),  # "": none, so that it is compared as a value
    sa.Column("resource_name", sa.String(255), nullable=False),
    sa.Column("default_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.UniqueConstraint("service_id", "region_id", "resource_name"),
)

limits = sa.Table(
    "limits",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("registered_limit_id", sa.String(64), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False, default=""),  # "" for a domain's
    sa.Column("domain_id", sa.String(64), nullable=False, default=""),  # "" for a project's
    sa.Column("resource_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.UniqueConstraint("registered_limit_id", "project_id", "domain_id"),
)

policies = sa.Table(
    "policies",  # kept for clients; nothing here obeys them
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("blob", long_text(), nullable=False),
    sa.Column("extra", Json, nullable=False),
)

policy_associations = sa.Table(
    "policy_associations",
    METADATA,
    sa.Column("endpoint_id", sa.String(64), primary_key=True, default=""),  # "" where it is not said
    sa.Column("service_id", sa.String(64), primary_key=True, default=""),
    sa.Column("region_id", sa.String(255), primary_key=True, default=""),
    sa.Column("policy_id", sa.String(64), nullable=False),
)

endpoint_groups = sa.Table(
    "endpoint_groups",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("filters", Json, nullable=False),
)

project_endpoints = sa.Table(
    "project_endpoints",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("endpoint_id", sa.String(64), primary_key=True),
)

project_endpoint_groups = sa.Table(
    "project_endpoint_groups",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("endpoint_group_id", sa.String(64), primary_key=True),
)
