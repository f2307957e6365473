"""Hosts that are set apart for some images: aggregates whose metadata names a property of images."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

PREFIXES = ("hw_", "img_", "os_")  # what the properties begin with that describe a guest


class AggregateImagesFilter:
    """Refuses a host for an image whose property is none of the values that the host's aggregates give it."""

    name = "aggregate_images"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare what both name; an image that does not name a property may go anywhere."""
        for key, values in host.aggregate_values.items():
            if not key.startswith(PREFIXES):
                continue
            wanted = request.image_properties.get(key)
            if wanted and wanted not in values:
                return refuse(
                    self.name, host, f"is not for images with {key} {wanted}", f"are not for images with {key} {wanted}"
                )
        return None
