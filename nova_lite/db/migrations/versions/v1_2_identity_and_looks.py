"""What the whole Identity API needs, and the order of hosts' looks at their guests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from nova_lite.db.types import Json

revision = "1.2"
down_revision = "1.1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    _add_delegation()
    _add_limits()
    op.add_column("hosts", sa.Column("look_incarnation", sa.BigInteger(), nullable=True))
    op.add_column("hosts", sa.Column("look_number", sa.BigInteger(), nullable=True))
    _upgrade_access_rules()
    _upgrade_records()
    _upgrade_creation()
    _add_outbox()
    _add_placement_records()
    _upgrade_breadth()


def downgrade() -> None:
    """Take it back."""
    _downgrade_creation()
    _drop_outbox()
    _drop_placement_records()
    _downgrade_breadth()
    _downgrade_records()
    _downgrade_access_rules()
    op.drop_column("hosts", "look_number")
    op.drop_column("hosts", "look_incarnation")
    op.drop_table("project_endpoint_groups")
    op.drop_table("project_endpoints")
    op.drop_table("endpoint_groups")
    op.drop_table("policy_associations")
    op.drop_table("policies")
    op.drop_table("limits")
    op.drop_table("registered_limits")
    op.drop_table("oauth_nonces")
    op.drop_table("oauth_access_tokens")
    op.drop_table("oauth_request_tokens")
    op.drop_table("oauth_consumers")
    op.drop_table("trusts")
    op.drop_table("domain_configs")
    op.drop_table("credentials")


def _add_delegation() -> None:
    op.create_table(
        "credentials",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column(
            "blob",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
    )
    op.create_index(op.f("ix_credentials_user_id"), "credentials", ["user_id"], unique=False)
    op.create_table(
        "domain_configs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column(
            "content",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_configs")),
    )
    op.create_table(
        "trusts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("trustor_user_id", sa.String(length=64), nullable=False),
        sa.Column("trustee_user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("impersonation", sa.Boolean(), nullable=False),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("remaining_uses", sa.Integer(), nullable=True),
        sa.Column("redelegation_count", sa.Integer(), nullable=False),
        sa.Column("redelegated_trust_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusts")),
    )
    op.create_index(op.f("ix_trusts_redelegated_trust_id"), "trusts", ["redelegated_trust_id"], unique=False)
    op.create_index(op.f("ix_trusts_trustee_user_id"), "trusts", ["trustee_user_id"], unique=False)
    op.create_index(op.f("ix_trusts_trustor_user_id"), "trusts", ["trustor_user_id"], unique=False)
    op.create_table(
        "oauth_consumers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("extra", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_consumers")),
    )
    op.create_table(
        "oauth_request_tokens",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=True),
        sa.Column("authorizing_user_id", sa.String(length=64), nullable=True),
        sa.Column("roles", Json(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_request_tokens")),
    )
    op.create_index(op.f("ix_oauth_request_tokens_consumer_id"), "oauth_request_tokens", ["consumer_id"], unique=False)
    op.create_table(
        "oauth_access_tokens",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("authorizing_user_id", sa.String(length=64), nullable=False),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_access_tokens")),
    )
    op.create_index(
        op.f("ix_oauth_access_tokens_authorizing_user_id"), "oauth_access_tokens", ["authorizing_user_id"], unique=False
    )
    op.create_index(op.f("ix_oauth_access_tokens_consumer_id"), "oauth_access_tokens", ["consumer_id"], unique=False)
    op.create_table(
        "oauth_nonces",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_nonces")),
    )
    op.create_index(op.f("ix_oauth_nonces_expires_at"), "oauth_nonces", ["expires_at"], unique=False)


def _add_limits() -> None:
    op.create_table(
        "registered_limits",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=False),
        sa.Column("resource_name", sa.String(length=255), nullable=False),
        sa.Column("default_limit", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registered_limits")),
        sa.UniqueConstraint(
            "service_id", "region_id", "resource_name", name=op.f("uq_registered_limits_service_id_region_id_resource_name")
        ),
    )
    op.create_table(
        "limits",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("registered_limit_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("resource_limit", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limits")),
        sa.UniqueConstraint(
            "registered_limit_id", "project_id", "domain_id", name=op.f("uq_limits_registered_limit_id_project_id_domain_id")
        ),
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column(
            "blob",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("extra", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
    )
    op.create_table(
        "policy_associations",
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=False),
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "service_id", "region_id", name=op.f("pk_policy_associations")),
    )
    op.create_table(
        "endpoint_groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("filters", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_groups")),
    )
    op.create_table(
        "project_endpoints",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_id", name=op.f("pk_project_endpoints")),
    )
    op.create_table(
        "project_endpoint_groups",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_group_id", name=op.f("pk_project_endpoint_groups")),
    )


# -- access rules of application credentials -----------------------------------------------------------------------------


def _upgrade_access_rules() -> None:
    op.create_table(
        "access_rules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_rules")),
        sa.UniqueConstraint("user_id", "service", "method", "path", name=op.f("uq_access_rules_user_id_service_method_path")),
    )


def _downgrade_access_rules() -> None:
    op.drop_table("access_rules")


# -- records of Identity: further fields of the catalog, and the ways in which hierarchies and roles are looked up -------

_CATALOG = ("regions", "catalog_services", "catalog_endpoints")
_INDEXES = (
    ("ix_projects_parent_id", "projects", ["parent_id"]),
    ("ix_group_members_user_id", "group_members", ["user_id"]),
    ("ix_assignments_target_id", "assignments", ["target_id"]),
    ("ix_assignments_role_id", "assignments", ["role_id"]),
)


def _upgrade_records() -> None:
    for table in _CATALOG:
        op.add_column(table, sa.Column("extra", Json))
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def _downgrade_records() -> None:
    for name, table, _ in _INDEXES:
        op.drop_index(name, table_name=table)
    for table in _CATALOG:
        op.drop_column(table, "extra")


# -- creation of servers: disks and files that are asked for -------------------------------------------------------------------


def _upgrade_creation() -> None:
    op.add_column("servers", sa.Column("blank_disks", Json, nullable=True))
    op.add_column("servers", sa.Column("files", Json, nullable=True))


def _downgrade_creation() -> None:
    op.drop_column("servers", "files")
    op.drop_column("servers", "blank_disks")


# -- notifications: what is to be sent, and how far usage is told --------------------------------------------------------


def _add_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("publisher_id", sa.String(length=255), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("taken_by", sa.String(length=128), nullable=True),
        sa.Column("taken_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    op.create_table(
        "usage_marks",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("period_end", sa.Double(), nullable=False),
        sa.Column("after", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_usage_marks")),
    )


def _drop_outbox() -> None:
    op.drop_table("usage_marks")
    op.drop_table("outbox")


# -- what guides the choice of hosts: aggregates, and groups of servers ----------------------------------------------------


def _add_placement_records() -> None:
    op.add_column("hosts", sa.Column("own_zone", sa.String(length=255), nullable=True))
    op.create_table(
        "aggregates",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("metadata", Json(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aggregates")),
        sa.UniqueConstraint("name", name=op.f("uq_aggregates_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_aggregates_uuid")),
    )
    op.create_table(
        "aggregate_hosts",
        sa.Column("aggregate_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["aggregate_id"], ["aggregates.id"], name=op.f("fk_aggregate_hosts_aggregate_id_aggregates")),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name=op.f("fk_aggregate_hosts_host_hosts")),
        sa.PrimaryKeyConstraint("aggregate_id", "host", name=op.f("pk_aggregate_hosts")),
    )
    op.create_index("ix_aggregate_hosts_host", "aggregate_hosts", ["host"])
    op.create_table(
        "server_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("max_per_host", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_groups")),
    )
    op.create_index("ix_server_groups_project_page", "server_groups", ["project_id", "created_at", "id"])
    op.create_table(
        "server_group_members",
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["server_groups.id"], name=op.f("fk_server_group_members_group_id_server_groups")
        ),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_server_group_members")),
    )
    op.create_index("ix_server_group_members_group_id", "server_group_members", ["group_id"])


def _drop_placement_records() -> None:
    for table in ("server_group_members", "server_groups", "aggregate_hosts", "aggregates"):
        op.drop_table(table)
    op.drop_column("hosts", "own_zone")


# -- what hangs on servers ------------------------------------------------------------------------------------------------


def _upgrade_breadth() -> None:
    op.create_table(
        "server_passwords",
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_server_passwords")),
    )
    op.create_table(
        "quota_user_limits",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "user_id", "resource", name=op.f("pk_quota_user_limits")),
    )


def _downgrade_breadth() -> None:
    op.drop_table("quota_user_limits")
    op.drop_table("server_passwords")
