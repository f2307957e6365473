"""KVM and QEMU through libvirt."""
