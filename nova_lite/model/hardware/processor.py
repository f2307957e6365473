"""Processors and memory as flavor and image ask for them: topology, dedicated CPUs, NUMA nodes, sizes of pages.

Source of the rules on who may say what: the Compute documentation, "CPU topologies" and "Huge pages".
"""

from __future__ import annotations

import re

from nova_lite import errors
from nova_lite.model.hardware.guest import PAGE_2M_KIB, SMALL_PAGE_KIB, CpuTopology, NumaCell
from nova_lite.model.hardware.words import CPUS_MAX, Wish, Wishes

SHARED, DEDICATED, MIXED = "shared", "dedicated", "mixed"
POLICIES = (SHARED, DEDICATED, MIXED)
THREAD_POLICIES = ("prefer", "isolate", "require")
CELLS_MAX = 64
DIMENSIONS = ("sockets", "cores", "threads")
_SIZE = re.compile(r"([0-9]{1,12})(?:([kKMGT])i?)?(b|bit|B)?", re.ASCII)
_KIB = {"": 1, "k": 1, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}


# -- topology ----------------------------------------------------------------------------------------------------------


def topology(wishes: Wishes, vcpus: int) -> CpuTopology | None:
    """Choose sockets, cores and threads: as many wishes met as possible, then few threads, then many sockets.

    Raises: BadRequest when the image asks for more than the flavor allows, or nothing makes that number of vCPUs.
    """
    most = _most(wishes)
    wanted = _wanted(wishes)
    if not most and not wanted:
        return None
    for name, number in wanted.items():
        if number > most.get(name, number):
            raise errors.BadRequest(f"{number} {name} are asked for, at most {most[name]} are allowed.")
    if vcpus > CPUS_MAX:
        raise errors.BadRequest(f"{vcpus} vCPUs cannot be given sockets, cores and threads: {CPUS_MAX} can.")
    possible = _possible(vcpus, [most.get(name, vcpus) for name in DIMENSIONS])
    if not possible:
        limits = ", ".join(f"{number} {name}" for name, number in most.items())
        raise errors.BadRequest(f"No sockets, cores and threads make {vcpus} vCPUs within {limits}.")
    return max(
        possible,
        key=lambda one: (
            sum(getattr(one, name) == number for name, number in wanted.items()),
            one.sockets * one.cores,
            one.sockets,
        ),
    )


def _most(wishes: Wishes) -> dict[str, int]:
    """Read the limits: the image's may be lower than the flavor's, never higher."""
    found = {}
    for name in DIMENSIONS:
        flavor, image = wishes.both(f"cpu_max_{name}")
        allowed = flavor.number(1) if flavor else None
        own = image.number(1) if image else None
        if allowed is not None and own is not None and own > allowed:
            raise errors.BadRequest(f"The image's property hw_cpu_max_{name} is {own}, the flavor allows {allowed}.")
        limit = own or allowed
        if limit is not None:
            found[name] = limit
    return found


def _wanted(wishes: Wishes) -> dict[str, int]:
    """Read the preferred numbers: the image's in place of all of the flavor's."""
    images = {name: wish.number(1) for name in DIMENSIONS if (wish := wishes.image(f"hw_cpu_{name}"))}
    return images or {name: wish.number(1) for name in DIMENSIONS if (wish := wishes.flavor(f"hw:cpu_{name}"))}


def _possible(vcpus: int, most: list[int]) -> list[CpuTopology]:
    divisors = [number for number in range(1, vcpus + 1) if vcpus % number == 0]
    return [
        CpuTopology(sockets=vcpus // (cores * threads), cores=cores, threads=threads)
        for cores in divisors
        for threads in divisors
        if vcpus % (cores * threads) == 0 and vcpus // (cores * threads) <= most[0] and cores <= most[1] and threads <= most[2]
    ]


# -- dedicated CPUs ----------------------------------------------------------------------------------------------------


def dedicated(wishes: Wishes, vcpus: int) -> tuple[int, ...]:
    """Give the vCPUs that get a processor of the host each.

    Raises: BadRequest also when the image asks for more than the flavor grants.
    """
    policy = _policy(wishes)
    mask = wishes.flavor("hw:cpu_dedicated_mask")
    if policy != MIXED:
        if mask is not None:
            raise mask.refusal("it needs hw:cpu_policy=mixed")
        return tuple(range(_bounded(vcpus))) if policy == DEDICATED else ()
    if mask is None:
        raise errors.BadRequest("CPU policy mixed needs the flavor's hw:cpu_dedicated_mask, which says which are dedicated.")
    chosen = mask.cpus(vcpus)
    if not 0 < len(chosen) < vcpus:
        raise mask.refusal("some vCPUs are to be dedicated, and some shared")
    return chosen


def _bounded(vcpus: int) -> int:
    if vcpus > CPUS_MAX:
        raise errors.BadRequest(f"{vcpus} vCPUs cannot be dedicated ones: {CPUS_MAX} can.")
    return vcpus


def _policy(wishes: Wishes) -> str:
    flavor, image = wishes.both("cpu_policy")
    granted = flavor.one_of(*POLICIES) if flavor else None
    asked = image.one_of(*POLICIES) if image else None
    if granted is not None and granted != DEDICATED and asked is not None and POLICIES.index(asked) > 0 and asked != granted:
        raise errors.BadRequest(
            f"The image's hw_cpu_policy, {asked}, is not permitted to override the flavor's hw:cpu_policy, {granted}."
        )
    return granted or asked or SHARED


def thread_policy(wishes: Wishes, *, pinned: bool) -> str:
    """Read what dedicated CPUs are to make of hardware threads. Raises: BadRequest without dedicated CPUs."""
    flavor, image = wishes.both("cpu_thread_policy")
    granted = flavor.one_of(*THREAD_POLICIES) if flavor else None
    asked = image.one_of(*THREAD_POLICIES) if image else None
    if granted not in (None, "prefer") and asked not in (None, granted):
        raise errors.BadRequest(
            f"The image's hw_cpu_thread_policy, {asked}, is not permitted to override the flavor's {granted}."
        )
    if (granted or asked) and not pinned:
        raise errors.BadRequest("A CPU thread policy needs dedicated CPUs (hw:cpu_policy).")
    return (granted if granted != "prefer" else None) or asked or "prefer"


# -- NUMA nodes --------------------------------------------------------------------------------------------------------


def cells(wishes: Wishes, vcpus: int, ram_mib: int) -> tuple[NumaCell, ...]:
    """Read the NUMA nodes of the guest: in equal parts, or as `hw:numa_cpus.N` and `hw:numa_mem.N` say. Raises: BadRequest."""
    wish = wishes.only_one("numa_nodes")
    if wish is None:
        return ()
    count = wish.number(1, CELLS_MAX)
    cpus = [wishes.only_one(f"numa_cpus.{number}") for number in range(count + 1)]
    ram = [wishes.only_one(f"numa_mem.{number}") for number in range(count + 1)]
    if not any(cpus) and not any(ram):
        return _equal(count, vcpus, ram_mib)
    if cpus[count] or ram[count] or not all(cpus[:count]) or not all(ram[:count]):
        raise errors.BadRequest(
            f"hw:numa_cpus.N and hw:numa_mem.N are wanted for each of {count} NUMA nodes, and for no other."
        )
    pairs = zip(cpus[:count], ram[:count], strict=True)
    made = tuple(NumaCell(cpus=one.cpus(vcpus), ram_mib=memory.number(1)) for one, memory in pairs if one and memory)
    named = [cpu for cell in made for cpu in cell.cpus]
    if sorted(named) != list(range(vcpus)):
        raise errors.BadRequest(f"The NUMA nodes are to have each of the {vcpus} vCPUs once.")
    if sum(cell.ram_mib for cell in made) != ram_mib:
        raise errors.BadRequest(f"The NUMA nodes are to have {ram_mib} MiB of memory together, as the flavor has.")
    return made


def _equal(count: int, vcpus: int, ram_mib: int) -> tuple[NumaCell, ...]:
    if _bounded(vcpus) % count or ram_mib % count:
        raise errors.BadRequest(f"{vcpus} vCPUs and {ram_mib} MiB do not divide evenly among {count} NUMA nodes.")
    each = vcpus // count
    return tuple(
        NumaCell(cpus=tuple(range(number * each, (number + 1) * each)), ram_mib=ram_mib // count) for number in range(count)
    )


# -- pages -------------------------------------------------------------------------------------------------------------


def page_kib(wishes: Wishes, ram_mib: int, parts: tuple[NumaCell, ...]) -> int | None:
    """Read the size of the memory's pages; None where it does not matter. `large` is 2 MiB, `any` the usual small ones.

    Raises: BadRequest also when the image asks for what the flavor does not leave open.
    """
    flavor, image = wishes.both("mem_page_size")
    if flavor is None:
        if image is not None:
            raise errors.BadRequest("The image's property hw_mem_page_size is not permitted: the flavor says nothing of pages.")
        return None
    granted, asked = _size(flavor), _size(image) if image else None
    if asked is not None and not _leaves_open(granted, asked):
        raise errors.BadRequest(f"The image's property hw_mem_page_size is {asked}: the flavor demands {flavor.text[:64]}.")
    size = granted if asked in (None, "any") else asked
    kib = {"any": None, "small": SMALL_PAGE_KIB, "large": PAGE_2M_KIB}[size] if isinstance(size, str) else size
    if kib is not None and any(part * 1024 % kib for part in [ram_mib, *(cell.ram_mib for cell in parts)]):
        raise errors.BadRequest(
            f"The memory of the server, or of one of its NUMA nodes, is no whole number of {kib} KiB pages."
        )
    return kib


def _size(wish: Wish) -> str | int:
    if wish.text in ("any", "small", "large"):
        return wish.text
    match = _SIZE.fullmatch(wish.text)
    if match is None:
        raise wish.refusal("small, large, any or a size in KiB is wanted")
    number, unit, of = int(match[1]), match[2] or "", match[3]
    kib = number * _KIB[unit]
    if unit == "" and of:
        kib = number // 1024  # bytes, said so
    if of == "bit":
        kib //= 8
    if kib < 1:
        raise wish.refusal("small, large, any or a size in KiB is wanted")
    return kib


def _leaves_open(granted: str | int | None, asked: str | int) -> bool:
    """Whether an image may ask for that: any size under `any`, any huge one under `large`, else only the same."""
    if asked in (granted, "any"):
        return True
    if granted == "large":
        return isinstance(asked, int) and asked > SMALL_PAGE_KIB
    return granted == "any"
