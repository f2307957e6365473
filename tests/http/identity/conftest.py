"""Tokens that nobody can get by logging in."""

from __future__ import annotations

import dataclasses

import pytest


@pytest.fixture
def variables(world, cloud):
    tokens = cloud[1].tokens
    claims = tokens.read(world.tokens["demo"])

    def over_since(seconds):
        end = claims.issued_at - seconds
        return tokens.issue(dataclasses.replace(claims, issued_at=end - 3600, expires_at=end))

    return {"expired_token": over_since(60), "long_expired_token": over_since(3 * 86400)}
