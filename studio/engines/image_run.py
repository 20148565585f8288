"""One call of a diffusers pipeline as a stream: its steps as they are done, then its pictures.

It stops at its next step when the job is cancelled or when nobody reads the stream any more (`aside`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from studio.engines.aside import Made, Stop, Teller, stream
from studio.engines.image_inputs import takes
from studio.engines.image_preview import Preview
from studio.errors import BadInput, Refused


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` steps; `preview` is a JPEG, or None where none was due."""

    done: int
    total: int
    preview: bytes | None


@dataclass(frozen=True, slots=True)
class Pictures:
    """uint8 (pictures, height, width, 3), in the order of the seeds."""

    pixels: Any


def run(
    pipeline: Any,
    given: dict[str, Any],
    seeds: Sequence[int],
    cancelled: Callable[[], bool],
    preview: Preview | None,
    live: bool = False,
) -> Iterator[Step | Pictures]:
    """Steps, then Pictures; only steps if it was cancelled, or if it is `live`: then the last has the preview.

    Raises BadInput for options the pipeline does not take, Refused if its safety checker said no.
    """

    def call(teller: Teller[Step]) -> Pictures:
        def on_step(pipe: Any, step: int, _: Any, state: dict[str, Any]) -> dict[str, Any]:
            teller.check()  # before a preview is drawn for nobody
            total = max(int(getattr(pipe, "num_timesteps", 0) or 0), step + 1)
            last = step + 1 >= total
            shown = preview(pipe, state["latents"]) if preview and last == live else None
            teller.tell(Step(step + 1, total, shown))
            if live and last:
                raise Stop
            return {}

        return Pictures(_call(pipeline, given, seeds, on_step))

    for got in stream(call, cancelled):
        yield got.value if isinstance(got, Made) else got


def _call(pipeline: Any, given: dict[str, Any], seeds: Sequence[int], on_step: Any) -> Any:
    """A generator on the processor gives the same noise for every device."""
    import numpy as np
    import torch

    extra = {
        "callback_on_step_end": on_step,
        "num_images_per_prompt": len(seeds),
        "generator": [torch.Generator("cpu").manual_seed(seed % 2**63) for seed in seeds],
    }
    extra = {name: value for name, value in extra.items() if name in takes(pipeline)}
    try:
        with torch.inference_mode():
            result = pipeline(**given, **extra, output_type="np")
    except ValueError as error:
        raise BadInput(
            f"This model cannot work with these options: {str(error).splitlines()[0][:200]}"
        ) from error
    if any(getattr(result, "nsfw_content_detected", None) or ()):
        raise Refused("The model's own safety checker held the picture back; change the prompt.")
    return (np.asarray(result.images) * 255).round().clip(0, 255).astype(np.uint8)
