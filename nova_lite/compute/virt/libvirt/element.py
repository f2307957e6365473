"""The one act of which domain XML is made."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable


def add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Add an element to another."""
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def add_numbers(parent: ET.Element, tag: str, numbers: dict[str, int | None]) -> None:
    """Add an element with the numbers that there are as its children; none without any."""
    known = {name: number for name, number in numbers.items() if number is not None}
    if known:
        element = add(parent, tag)
        for name, number in known.items():
            add(element, name, str(number))


def cpu_set(numbers: Iterable[int]) -> str:
    """Write processors as libvirt does: `0-3,6`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
