"""The stories of this folder's API."""

from __future__ import annotations


def test_story(story, tell):
    tell(story)
