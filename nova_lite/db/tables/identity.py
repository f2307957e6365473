"""Domains, projects, users, groups, roles, assignments, credentials, the catalog, and revocations."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch

projects = sa.Table(
    "projects",  # a domain is a project with is_domain, as in Keystone
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False, default=""),  # "" for a domain: names of domains are unique too
    sa.Column("parent_id", sa.String(64)),
    sa.Column("is_domain", sa.Boolean, nullable=False, default=False),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", Json, nullable=False),
    epoch("created_at", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
    sa.Index("ix_projects_parent_id", "parent_id"),
)

users = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("password_hash", sa.String(255)),
    epoch("password_created_at"),
    epoch("password_expires_at"),
    sa.Column("default_project_id", sa.String(64)),
    sa.Column("extra", Json, nullable=False),
    sa.Column("options", Json, nullable=False),
    epoch("created_at", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

groups = sa.Table(
    "groups",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

group_members = sa.Table(
    "group_members",
    METADATA,
    sa.Column("group_id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Index("ix_group_members_user_id", "user_id"),
)

roles = sa.Table(
    "roles",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False, default=""),  # "": a global role
    sa.Column("description", sa.Text),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

implied_roles = sa.Table(
    "implied_roles",
    METADATA,
    sa.Column("prior_role_id", sa.String(64), primary_key=True),
    sa.Column("implied_role_id", sa.String(64), primary_key=True),
)

assignments = sa.Table(
    "assignments",
    METADATA,
    sa.Column("actor_kind", sa.String(8), primary_key=True),  # user, group
    sa.Column("actor_id", sa.String(64), primary_key=True),
    sa.Column("target_kind", sa.String(8), primary_key=True),  # project, domain, system
    sa.Column("target_id", sa.String(64), primary_key=True),
    sa.Column("role_id", sa.String(64), primary_key=True),
    sa.Column("inherited", sa.Boolean, primary_key=True, default=False),
    sa.Index("ix_assignments_target_id", "target_id"),
    sa.Index("ix_assignments_role_id", "role_id"),
)

application_credentials = sa.Table(
    "application_credentials",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("secret_hash", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    epoch("expires_at"),
    sa.Column("unrestricted", sa.Boolean, nullable=False, default=False),
    sa.Column("roles", Json, nullable=False),
    sa.Column("access_rules", Json),
    epoch("created_at", nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)

access_rules = sa.Table(
    "access_rules",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("method", sa.String(8), nullable=False),
    sa.Column("path", sa.String(255), nullable=False),
    sa.UniqueConstraint("user_id", "service", "method", "path"),
)

regions = sa.Table(
    "regions",
    METADATA,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("parent_region_id", sa.String(255)),
    sa.Column("extra", Json),
)

catalog_services = sa.Table(
    "catalog_services",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", Json),
)

catalog_endpoints = sa.Table(
    "catalog_endpoints",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), sa.ForeignKey("catalog_services.id", ondelete="CASCADE"), nullable=False),
    sa.Column("interface", sa.String(16), nullable=False),
    sa.Column("region_id", sa.String(255)),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", Json),
)

revocations = sa.Table(
    "revocations",  # read by every api process about once a second, never on the hot path
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(16), nullable=False),  # audit_id, user, project, domain
    sa.Column("value", sa.String(64), nullable=False),
    epoch("issued_before", nullable=False),
    epoch("expires_at", nullable=False),
)
