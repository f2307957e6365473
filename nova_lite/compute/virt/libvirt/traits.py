"""What guests of this host can be given, by the names of os-traits.

Features of the processor count only under KVM: QEMU's own emulation shows guests another processor.
"""

from __future__ import annotations

import re

_PREFIX = "HW_CPU_X86_"
# libvirt's names that os-traits spells in another way than in upper letters
_SPELLED = {
    "aes": "AESNI",
    "avx512-bf16": "AVX512BF16",
    "avx512vnni": "AVX512VNNI",
    "fma": "FMA3",
    "pclmuldq": "CLMUL",
    "pni": "SSE3",
    "rtm": "TSX",
    "sha-ni": "SHA",
    "sse4.1": "SSE41",
    "sse4.2": "SSE42",
    "bmi1": "BMI",
}
_ALIKE = re.compile(
    r"3dnow|abm|avx|avx2|avx512(bw|cd|dq|er|f|ifma|pf|vbmi|vl)|bmi2|f16c|fma4|mmx|mpx|sse|sse2|sse4a|ssse3|stibp|svm|tbm|vmx|xop"
)


def of_host(arch: str, features: tuple[str, ...], *, kvm: bool, threads: int) -> tuple[str, ...]:
    """Give the traits, by name. `features` are libvirt's; `threads` stand on each core."""
    found = {"COMPUTE_NODE", f"HW_ARCH_{arch.upper()}"}
    if threads > 1:
        found.add("HW_CPU_HYPERTHREADING")
    if kvm:
        found |= {_PREFIX + name for name in map(_trait, features) if name}
    return tuple(sorted(found))


def _trait(feature: str) -> str | None:
    if feature in _SPELLED:
        return _SPELLED[feature]
    return feature.upper() if _ALIKE.fullmatch(feature) else None
