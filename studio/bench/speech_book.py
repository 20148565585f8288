"""`python -m studio.bench.speech_book`: a long script spoken by a process that is killed twice, and by one that is not.

The sound of both must be the same to the last sample, and memory must not grow with the script. 10,000 words
are about an hour of sound and take half an hour of two cores twice; `--words 1000` is a shorter proof.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio.bench.speech_study import sentences
from studio.catalog import Catalog
from studio.engines.devices import cpu
from studio.engines.speech_kokoro import Kokoro
from studio.settings import Settings
from studio.types import Brief, Draft, Job

KILLS = (0.3, 0.65)  # of the script
SETTLED = 0.2  # by then everything is loaded that will be
PARAGRAPH = 6  # sentences


def script(words: int) -> str:
    """At least so many words: the sentences of the study in ever another order, each numbered, in paragraphs."""
    written = [pair[0] for pair in sentences(50)]
    parts: list[str] = []
    count = 0
    while count < words:
        number = len(parts)
        parts.append(f"Sentence {number + 1}: {written[number * 7 % 50]}")
        count += len(parts[-1].split())
    return "\n\n".join(
        " ".join(parts[start : start + PARAGRAPH]) for start in range(0, len(parts), PARAGRAPH)
    )


def speak(home: Path, job_id: str, words: int) -> None:
    """In a process of its own: one line of JSON for each sentence, and one at the end."""
    import psutil

    settings = Settings.read(home=home, device="cpu")
    engine = Kokoro(Catalog.read(settings).get("kokoro-82m"), cpu(), settings)
    engine.load()
    job = Job(job_id, Brief("speech", script(words)), "bench", "running", datetime.now(UTC))

    def say(**facts: Any) -> None:
        used = psutil.Process().memory_full_info().uss / 2**20
        print(json.dumps(facts | {"memory_mb": round(used, 1)}), flush=True)

    for step in engine.generate(job):
        if isinstance(step, Draft):
            samples = step.payload.samples
            digest = hashlib.sha256(memoryview(samples).cast("B")).hexdigest()
            say(sha256=digest, audio_seconds=step.facts["audio_seconds"], sentences=step.facts["sentences"])
        elif step.preview is not None:
            say(fraction=step.fraction)


def run(home: Path, job_id: str, words: int, kill_at: float | None = None) -> list[dict[str, Any]]:
    """What a speaking process said, until it ended or was killed (SIGKILL) at that part of the script."""
    command = [
        sys.executable,
        "-m",
        "studio.bench.speech_book",
        "--words",
        str(words),
        "--speak",
        job_id,
        str(home),
    ]
    said: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(json.loads(line))
            if kill_at is not None and said[-1].get("fraction", 0.0) >= kill_at:
                process.kill()
                return said
    if process.returncode or not said or "sha256" not in said[-1]:
        raise RuntimeError(f"speaking ended with {process.returncode}")
    return said


def growth(said: list[dict[str, Any]]) -> float:
    """Megabytes that speaking the rest took more than the first part did."""
    early = [one["memory_mb"] for one in said if one.get("fraction", 1.0) <= SETTLED]
    late = [one["memory_mb"] for one in said if "fraction" in one]
    return float(max(late) - max(early))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studio.bench.speech_book", description=__doc__)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--speak", nargs=2, metavar=("JOB", "HOME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.words < 20:
        parser.error("give at least 20 words")
    if given.speak:
        speak(Path(given.speak[1]), given.speak[0], given.words)
        return 0
    with TemporaryDirectory() as folder:
        home = Path(folder)
        whole = run(home, "whole", given.words)
        for part in KILLS:
            run(home, "killed", given.words, part)
            print(f"killed at {part:.0%}", flush=True)
        resumed = run(home, "killed", given.words)
    same = whole[-1]["sha256"] == resumed[-1]["sha256"]
    print(
        f"{given.words} words, {whole[-1]['sentences']:.0f} sentences, {whole[-1]['audio_seconds'] / 60:.1f} minutes; "
        f"killed twice: {'identical' if same else 'DIFFERENT'}; memory {max(o['memory_mb'] for o in whole):.0f} MB, "
        f"{growth(whole):+.0f} MB after the first fifth"
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
