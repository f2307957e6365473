"""Disks without root rights or loop devices: an ext4 tree, a FAT boot partition, and a partitioned disk of both."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from nova_lite.cli.guest_image.tools import run

LABEL = "gl-root"
SECTOR = 512
MIB_SECTORS = 2048
ROOT_MIB = 24
GROWS_TO_BLOCKS = (64 << 30) // 4096
DISK_ID = 0x6E6F7661
FAT16_LBA, LINUX = 0x0E, 0x83
BOOT_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
COMMAND_LINE = (
    f"root=LABEL={LABEL} console=tty0 console=ttyS0,115200 quiet loglevel=3 tsc=reliable no_timer_check nokaslr "
    "mitigations=off random.trust_cpu=on net.ifnames=0 panic=10"
)
BOOT_MENU = (
    f"SERIAL 0 115200\nDEFAULT l\nPROMPT 0\nTIMEOUT 0\nLABEL l\n KERNEL vmlinuz\n INITRD initrd\n APPEND {COMMAND_LINE}\n"
)


def make_ext4(tree: Path, image: Path, user: str) -> None:
    """Make a file system of the tree; files belong to root, those in the user's home to uid 1000."""
    with image.open("wb") as file:
        file.truncate(ROOT_MIB << 20)
    features = ("-O", "resize_inode", "-J", "size=4", "-E", f"root_owner=0:0,lazy_itable_init=1,resize={GROWS_TO_BLOCKS}")
    base = ("mke2fs", "-q", "-F", "-t", "ext4", "-L", LABEL, "-m", "0", "-b", "4096", "-I", "256")
    run(*base, *features, "-d", str(tree), str(image))
    run("debugfs", "-w", "-f", "-", str(image), given="\n".join(_ownership(tree, user)).encode())


def _ownership(tree: Path, user: str) -> list[str]:
    """List the debugfs commands that set owners, since who builds need not be root."""
    commands = []
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            path = Path(folder, name)
            inside = f"/{path.relative_to(tree)}"
            owner = 1000 if inside.startswith(f"/home/{user}") else 0
            facts = path.lstat()
            if facts.st_uid != owner:
                commands.append(f"sif {inside} uid {owner}")
            if facts.st_gid != owner:
                commands.append(f"sif {inside} gid {owner}")
    return commands


def make_bootable(work: Path, kernel: Path, initrd: Path, root: Path, result: Path) -> None:
    """Make a qcow2 disk that a BIOS boots: partition 1 with the loader, kernel and initramfs, partition 2 the root."""
    fat_mib = ((kernel.stat().st_size + initrd.stat().st_size) >> 20) + 2
    first, second = MIB_SECTORS, MIB_SECTORS + fat_mib * MIB_SECTORS
    fat = _make_fat(work, fat_mib, first, kernel, initrd)
    raw = work / "disk.raw"
    with raw.open("wb") as file:
        file.truncate((second + ROOT_MIB * MIB_SECTORS) * SECTOR)
        file.write(_master_boot_record(((0x80, FAT16_LBA, first, fat_mib), (0, LINUX, second, ROOT_MIB))))
        file.seek(first * SECTOR)
        file.write(fat.read_bytes())
        file.seek(second * SECTOR)
        file.write(root.read_bytes())
    run("syslinux", "-t", str(first * SECTOR), "--install", str(raw))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(raw), str(result))


def _make_fat(work: Path, size_mib: int, hidden_sectors: int, kernel: Path, initrd: Path) -> Path:
    fat = work / "fat.img"
    with fat.open("wb") as file:
        file.truncate(size_mib << 20)
    menu = work / "syslinux.cfg"
    menu.write_text(BOOT_MENU, encoding="ascii")
    run("mkfs.fat", "-F", "16", "-n", "GLBOOT", "-h", str(hidden_sectors), str(fat))
    for source, name in ((kernel, "vmlinuz"), (initrd, "initrd"), (menu, "syslinux.cfg")):
        run("mcopy", "-i", str(fat), str(source), f"::{name}")
    return fat


def _master_boot_record(partitions: tuple[tuple[int, int, int, int], ...]) -> bytes:
    """Give sector 0; each partition is (boot flag, type, first sector, MiB)."""
    record = bytearray(SECTOR)
    code = BOOT_CODE.read_bytes()[:440]
    record[: len(code)] = code
    struct.pack_into("<I", record, 440, DISK_ID)
    anywhere = b"\xfe\xff\xff"  # cylinder, head and sector are not used
    for index, (flag, kind, start, size_mib) in enumerate(partitions):
        fields = (flag, anywhere, kind, anywhere, start, size_mib * MIB_SECTORS)
        struct.pack_into("<B3sB3sII", record, 446 + 16 * index, *fields)
    record[510:] = b"\x55\xaa"
    return bytes(record)
