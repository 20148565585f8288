"""The device is picked without torch on a machine that has no accelerator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.engines import devices
from studio.engines.base import Device
from studio.errors import BadInput
from studio.settings import Settings


def settings(device: str) -> Settings:
    return Settings(home=Path("unused"), device=device)


def test_auto_without_accelerator_is_the_processor_and_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from studio.engines import devices\n"
        "from studio.settings import Settings\n"
        "devices._cuda_driver = lambda: False\n"
        "device = devices.pick_device(Settings(home=pathlib.Path('x')))\n"
        "assert device.name == 'cpu', device\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_cpu_has_measured_memory() -> None:
    device = devices.pick_device(settings("cpu"))
    assert device.name == "cpu" and device.title
    assert 0 < device.free_mb <= device.total_mb


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "CPU", "", "cpu; rm", "mps:1"])
def test_a_wrong_name_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(BadInput, match="auto, cpu, mps, cuda or cuda:N"):
        devices.pick_device(settings(name))


def test_a_card_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cuda_driver", lambda: False)
    with pytest.raises(BadInput, match="no CUDA device"):
        devices.pick_device(settings("cuda"))
    with pytest.raises(BadInput, match="no MPS device"):
        monkeypatch.setattr(devices, "_mps", lambda: None)
        devices.pick_device(settings("mps"))


def test_auto_takes_the_card_with_most_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Device("cuda:0", "A", 8000, 1000), Device("cuda:1", "B", 8000, 7000)]
    monkeypatch.setattr(devices, "_cuda_cards", lambda: cards)
    assert devices.pick_device(settings("auto")).name == "cuda:1"
    assert devices.pick_device(settings("cuda")).name == "cuda:0"
    assert devices.pick_device(settings("cuda:1")).name == "cuda:1"
    with pytest.raises(BadInput, match="cuda:0, cuda:1"):
        devices.pick_device(settings("cuda:7"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "max\n", "memory.current": "5"}, (None, 0)),
        ({"memory.max": "1000\n", "memory.current": "250\n"}, (1000, 250)),
        ({}, (None, 0)),
    ],
)
def test_a_container_limit_is_read(
    tmp_path: Path, files: dict[str, str], expected: tuple[int | None, int]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert devices._cgroup(tmp_path) == expected


def test_the_container_limit_caps_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    mb = 1024 * 1024
    memory: Any = SimpleNamespace(total=64_000 * mb, available=60_000 * mb)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    monkeypatch.setattr(devices, "_cgroup", lambda root: (4000 * mb, 1000 * mb))
    device = devices.cpu()
    assert (device.total_mb, device.free_mb) == (4000, 3000)


@pytest.mark.parametrize(
    ("able", "fast"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"neon": True, "bf16": True}, False),
        ({}, False),
    ],
)
def test_a_processor_with_instructions_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], fast: bool
) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert devices.fast_bfloat16("cpu") is fast
    assert devices.fast_bfloat16("mps") is False


def test_a_card_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda there=there: there)
        assert devices.fast_bfloat16("cuda:0") is there


def test_outlook_names_the_device_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_apple", lambda: False)
    monkeypatch.setattr(devices, "_NVIDIA", tmp_path / "none")
    assert devices.outlook("auto") == "CPU"
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(devices, "_NVIDIA", tmp_path)
    assert devices.outlook("auto") == "GPU"
    assert devices.outlook("cuda:1") == "CUDA:1"
