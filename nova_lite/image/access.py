"""Who sees an image."""

from __future__ import annotations

import dataclasses

from nova_lite.context import Context
from nova_lite.model.image import Image, Visibility


@dataclasses.dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who looks: a project, or one who sees all."""

    project_id: str | None
    sees_all: bool = False


ANYTHING = Viewer(project_id=None, sees_all=True)


def viewer_of(context: Context) -> Viewer:
    """Give what a caller sees by."""
    return Viewer(project_id=context.project_id, sees_all=context.sees_all_projects)


def is_own(image: Image, viewer: Viewer) -> bool:
    """Whether the image belongs to the viewer's project."""
    return image.owner is not None and image.owner == viewer.project_id


def sees(image: Image, viewer: Viewer, *, is_member: bool) -> bool:
    """Whether a viewer sees an image whose id it knows, also where its lists leave it out."""
    if viewer.sees_all or is_own(image, viewer) or image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return True
    return image.visibility is Visibility.SHARED and is_member
