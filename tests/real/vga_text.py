"""Reads the letters in a picture of a text screen, by the font that QEMU's graphics card brings."""

from __future__ import annotations

from pathlib import Path

FONT = Path("/usr/share/seabios/vgabios-stdvga.bin")
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
LINES = 16
LOWER_HALF = range(0x20, 0x7F)


def missing() -> str | None:
    """Say what this machine lacks for it."""
    return None if FONT.exists() else f"needs {FONT}"


def letters() -> dict[bytes, str]:
    """Give the printable letters by their pictures: 16 lines of 8 points."""
    data = FONT.read_bytes()
    begin = data.index(LETTER_A) - ord("A") * LINES
    return {data[begin + code * LINES : begin + (code + 1) * LINES]: chr(code) for code in reversed(LOWER_HALF)}


def text_of(width: int, height: int, points: bytes) -> str:
    """Read a screen. `points` is one byte a point, 1 where it is lit."""
    known = letters()
    cell = 9 if width % 9 == 0 and width % 8 == 0 and height == 400 else 8
    rows = []
    for top in range(0, height - LINES + 1, LINES):
        row = ""
        for left in range(0, width - cell + 1, cell):
            lines = bytes(
                sum(points[(top + line) * width + left + bit] << (7 - bit) for bit in range(8)) for line in range(LINES)
            )
            row += known.get(lines, " ")
        rows.append(row.rstrip())
    return "\n".join(rows)
