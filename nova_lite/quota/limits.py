"""The resources that are limited, and how much a project gets of each when no row says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNLIMITED = -1

DEFAULT_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "instances": 10,
        "cores": 20,
        "ram": 51200,  # MiB
        "key_pairs": 100,  # a user
        "metadata_items": 128,  # a server
        "server_groups": 10,
        "server_group_members": 10,
        # of one create request before 2.57
        "injected_files": 5,
        "injected_file_content_bytes": 10240,
        "injected_file_path_bytes": 255,
        # Kept only for clients older than 2.36, which are shown them; nothing counts them.
        "fixed_ips": UNLIMITED,
        "floating_ips": UNLIMITED,
        "security_groups": UNLIMITED,
        "security_group_rules": UNLIMITED,
    }
)
