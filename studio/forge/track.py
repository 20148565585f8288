"""What a training tells the world: TensorBoard event files, a curve that the tab reads, and W&B.

    runs/apple/curve.jsonl     {"step": 12, "name": "train/loss", "value": 0.7}, one a line
    runs/apple/events.*        the same for TensorBoard
    runs/apple/log.txt         the printed lines
    runs/apple/progress.json   where the run stands: step, total, seconds a step, peak memory

W&B is used when the package is there and `WANDB_PROJECT` is set (its own variables apply, so
`WANDB_MODE=offline` works without a network). A resumed run first drops what came after its checkpoint.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio.errors import ModelMissing

BEAT_SECONDS = 1.0
MEASURED_STEPS = 5
MEASURED_SECONDS = 5.0


class Track:
    """One run's folder, its stop flag, and its diary.

    `stop` ends the run after the current step, with a checkpoint. `listen` receives every printed
    line. `resume` asks the loop to go on from the newest checkpoint in `folder`. `measure` stops the run
    by itself once its pace and memory are known. `muted` is set in every process of a distributed run
    but the first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resume: bool = False,
        stop: threading.Event | None = None,
        listen: Callable[[str], None] = print,
        measure: bool = False,
    ) -> None:
        self.folder, self.resume, self.listen, self.measure = folder, resume, listen, measure
        self.stop = stop or threading.Event()
        self.muted = False
        self._writer: Any = None
        self._wandb: Any = None
        self._begun: tuple[int, float] | None = None
        self._beaten = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, options: Mapping[str, Any], step: int) -> None:
        """Begin at `step` (0 unless resumed): forget later entries, then write."""
        if self.muted:
            return
        from torch.utils.tensorboard import SummaryWriter

        self._forget_after(step)
        self._writer = SummaryWriter(str(self.folder), purge_step=step + 1 if step else None)
        self._writer.add_text(
            "options", "\n".join(f"    {key} = {value}" for key, value in options.items()), step
        )
        if os.environ.get("WANDB_PROJECT"):
            self._wandb = _wandb_run(self.folder, options)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        if self.muted:
            return
        with (self.folder / "curve.jsonl").open("a", encoding="utf-8") as curve:
            for name, value in values.items():
                curve.write(json.dumps({"step": step, "name": name, "value": value}) + "\n")
                self._writer.add_scalar(name, value, step)
        if self._wandb:
            self._wandb.log(dict(values), step=step)

    def beat(self, step: int, total: int) -> None:
        """Called after each step: keeps progress.json, at most once a second and at the end.

        The pace is counted from the end of the first step, which pays for warming up.
        """
        now = time.monotonic()
        if self._begun is None or step < self._begun[0]:
            self._begun = (step, now)
        done, seconds = step - self._begun[0], now - self._begun[1]
        known = done >= MEASURED_STEPS or (done and seconds > MEASURED_SECONDS)
        if self.measure and known and step < total:
            self.stop.set()
        if self.muted or (now - self._beaten < BEAT_SECONDS and step < total and not self.stop.is_set()):
            return
        self._beaten = now
        progress = {
            "step": step, "total": total, "seconds_per_step": seconds / done if done else None,
            "peak_bytes": peak_bytes(),
        }  # fmt: skip
        part = self.folder / "progress.part"
        part.write_text(json.dumps(progress), "utf-8")
        part.replace(self.folder / "progress.json")

    def picture(self, name: str, pixels: Any, step: int) -> Path:
        """Keep uint8 (h, w, 3) as `name-STEP.png` in the run's folder and in TensorBoard."""
        from PIL import Image

        file = self.folder / f"{name}-{step:07d}.png"
        Image.fromarray(pixels).save(file)
        self._writer.add_image(name, pixels, step, dataformats="HWC")
        return file

    def say(self, line: str) -> None:
        if self.muted:
            return
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        self.listen(line)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        if self._wandb:
            self._wandb.finish()

    def _forget_after(self, step: int) -> None:
        """Drop what a killed run wrote after its last checkpoint, also a half-written last line."""
        file = self.folder / "curve.jsonl"
        if not file.exists():
            return
        kept = [line for line in file.read_text("utf-8").splitlines() if _step_of(line) <= step]
        part = file.with_suffix(".part")
        part.write_text("".join(line + "\n" for line in kept) if step else "", "utf-8")
        part.replace(file)


def read_curve(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The run's curves by name: (step, value) in order."""
    curves: dict[str, list[tuple[int, float]]] = {}
    file = folder / "curve.jsonl"
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        if 0 <= _step_of(line) < float("inf"):
            point = json.loads(line)
            curves.setdefault(point["name"], []).append((point["step"], point["value"]))
    return curves


def peak_bytes() -> int:
    """The most memory this process has held: on a GPU what torch took there, else its resident set."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    import psutil

    memory = psutil.Process().memory_info()
    if sys.platform == "win32":
        return int(memory.peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return max(int(memory.rss), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf") if line else -1


def _wandb_run(folder: Path, options: Mapping[str, Any]) -> Any:
    try:
        import wandb
    except ImportError:
        raise ModelMissing("WANDB_PROJECT is set but wandb is not installed: pip install wandb.") from None
    return wandb.init(dir=str(folder), name=folder.name, config=dict(options), resume="allow", id=folder.name)
