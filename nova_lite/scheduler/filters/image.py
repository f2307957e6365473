"""Image properties that only some hosts can serve: architecture, hypervisor type, virtualization mode."""

from __future__ import annotations

from collections.abc import Iterable

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

ARCHITECTURE_NAMES = {"amd64": "x86_64", "x86-64": "x86_64", "i386": "i686", "x86": "i686", "arm64": "aarch64"}


class ImageFilter:
    """Refuses a host that cannot run what the image says it needs (hw_architecture, img_hv_type, hw_vm_mode)."""

    name = "image"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare each property that the image has; old spellings count as the new ones."""
        properties = request.image_properties
        wanted = properties.get("hw_architecture") or properties.get("architecture")
        if wanted and ARCHITECTURE_NAMES.get(wanted.lower(), wanted.lower()) not in host.facts.architectures:
            return self._refuse(
                host, (f"cannot run {wanted} images", f"cannot run {wanted} images"), f"that runs {wanted} images"
            )
        kind = properties.get("img_hv_type") or properties.get("hypervisor_type")
        if kind and not _has(kind, _kinds(host)):
            return self._refuse(host, (f"is not a {kind} host", f"are not {kind} hosts"), f"of type {kind}")
        mode = properties.get("hw_vm_mode") or properties.get("vm_mode")
        if mode and not _has(mode, host.facts.virt_modes):
            return self._refuse(host, (f"does not offer mode {mode}", f"do not offer mode {mode}"), f"with mode {mode}")
        return None

    def _refuse(self, host: Host, words: tuple[str, str], wanted: str) -> Refusal:
        remedy = f"add a host {wanted}, or use another image"
        return refuse(self.name, host, *words, remedy=remedy, effort=Effort.CHANGE)


def _kinds(host: Host) -> tuple[str, ...]:
    """KVM guests are QEMU guests: an image made for one runs under the other."""
    kind = host.facts.hypervisor_type.lower()
    return ("kvm", "qemu") if kind in ("kvm", "qemu") else (kind,)


def _has(wanted: str, offered: Iterable[str]) -> bool:
    return wanted.lower() in {name.lower() for name in offered}
