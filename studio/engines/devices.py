"""Which device the models run on, and how much memory it has free: CUDA, then MPS, then the processor.

torch costs 300 MB and a second to import, so it is imported only once a driver says that there is an
accelerator; a machine that has none never pays for it.
"""

from __future__ import annotations

import ctypes
import platform
import re
import sys
from pathlib import Path

from studio.engines.base import Device
from studio.errors import BadInput
from studio.settings import Settings

_NAMES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_MB = 1024 * 1024
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def pick_device(settings: Settings) -> Device:
    """The device of `settings.device` with its memory measured now.

    "auto" takes the CUDA card with the most free memory, else MPS, else the processor. Raises BadInput
    if a device is named that this machine or its torch does not have.
    """
    wanted = settings.device
    if not _NAMES.fullmatch(wanted):
        raise BadInput(f"Setting device must be auto, cpu, mps, cuda or cuda:N, not {wanted[:40]!r}.")
    if wanted == "cpu":
        return cpu()
    if wanted.startswith("cuda"):
        return _named_cuda(wanted)
    if wanted == "mps":
        device = _mps()
        if device is None:
            raise BadInput("This machine has no MPS device; set device to auto or cpu.")
        return device
    cards = _cuda_cards()
    return max(cards, key=lambda card: card.free_mb) if cards else _mps() or cpu()


def outlook(setting: str) -> str:
    """What the setting `device` comes to, for a person, without torch and without waking a card.

    "auto" is answered by the kernel's list of cards. One that torch then cannot use still ends on the
    processor: the worker, which loads torch, decides, and each asset's own record says where it was made.
    """
    if setting != "auto":
        return setting.upper()
    if Path("/dev/kfd").exists() or any(_NVIDIA.glob("*")):
        return "GPU"
    return "Apple GPU" if _apple() else "CPU"


def cpu() -> Device:
    """The processor. Inside a container its memory limit counts, not the machine's."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    limit, used = _cgroup(Path("/sys/fs/cgroup"))
    if limit is not None and limit < total:
        total, free = limit, min(free, max(limit - used, 0))
    return Device("cpu", _processor(), total // _MB, free // _MB)


def fast_bfloat16(device: str) -> bool:
    """Whether the device called `device` multiplies matrices of bfloat16 in hardware.

    A processor does with AVX-512 BF16 or AMX; without them it takes each number apart and is slower than in
    32 bit. ARM's bf16 has not been measured, so it does not count.
    """
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _named_cuda(wanted: str) -> Device:
    cards = _cuda_cards()
    name = wanted if ":" in wanted else f"{wanted}:0"
    for card in cards:
        if card.name == name:
            return card
    have = ", ".join(card.name for card in cards) or "no CUDA device that torch can use"
    raise BadInput(f"This machine has {have}, not {name}; set device to auto or cpu.")


def _cuda_cards() -> list[Device]:
    if not _cuda_driver():
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    cards = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        cards.append(Device(f"cuda:{index}", name, total // _MB, free // _MB))
    return cards


def _cuda_driver() -> bool:
    """Whether NVIDIA's (or, through torch's HIP build, AMD's) driver is installed and sees a card."""
    if Path("/dev/kfd").exists():
        return True
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False


def _apple() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _mps() -> Device | None:
    if not _apple():
        return None
    import torch

    if not torch.backends.mps.is_available():
        return None
    shared = cpu()  # unified memory: the processor's free memory bounds the GPU's
    total = min(shared.total_mb, torch.mps.recommended_max_memory() // _MB)
    used = torch.mps.driver_allocated_memory() // _MB
    return Device("mps", "Apple GPU", total, max(min(shared.free_mb, total - used), 0))


def _cgroup(root: Path) -> tuple[int | None, int]:
    """Limit and use in bytes of this process's memory group (cgroup v2, then v1); None without limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return int((root / limit).read_text()), int((root / used).read_text())
        except (OSError, ValueError):  # "max" means no limit
            continue
    return None, 0


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
        found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine() or "CPU"
