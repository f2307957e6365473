"""Traits by the names of os-traits, from libvirt's words."""

from __future__ import annotations

import pytest

from nova_lite.compute.virt.libvirt import traits


@pytest.mark.parametrize(
    ("feature", "trait"),
    [
        ("avx2", "HW_CPU_X86_AVX2"),
        ("avx512f", "HW_CPU_X86_AVX512F"),
        ("sse4.2", "HW_CPU_X86_SSE42"),
        ("pni", "HW_CPU_X86_SSE3"),
        ("aes", "HW_CPU_X86_AESNI"),
        ("vmx", "HW_CPU_X86_VMX"),
        ("erms", None),
    ],
)
def test_features_have_traits_under_kvm(feature, trait):
    found = traits.of_host("x86_64", (feature,), kvm=True, threads=1)

    assert set(found) == {"COMPUTE_NODE", "HW_ARCH_X86_64", *([trait] if trait else [])}


def test_emulated_guests_have_another_processor():
    assert traits.of_host("x86_64", ("avx2",), kvm=False, threads=2) == (
        "COMPUTE_NODE",
        "HW_ARCH_X86_64",
        "HW_CPU_HYPERTHREADING",
    )
