"""What may be asked of the picture engine. Empty values are the pipeline's own defaults."""

from __future__ import annotations

from dataclasses import dataclass

from studio.options import option

SCHEDULERS = {
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "dpm++_2m": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "ddim": "DDIMScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "lcm": "LCMScheduler",
}


@dataclass(frozen=True)
class ImageOptions:
    """Which of them a model's pipeline takes is told by `image_offers.offers`."""

    negative_prompt: str = option("", "What should not be there", max_length=2000)
    steps: int | None = option(None, "Steps", low=1, high=150)
    guidance_scale: float | None = option(
        None, "Guidance", low=0.0, high=30.0, step=0.5, hint="How closely to follow the prompt"
    )
    width: int | None = option(None, "Width (px)", low=16, high=2048, step=8)
    height: int | None = option(None, "Height (px)", low=16, high=2048, step=8)
    strength: float = option(0.7, "Change of the input picture", low=0.05, high=1.0, step=0.05)
    style: str = option("", "Style", max_length=40, hint="For models that have styles of their own")
    mix_style: str = option(
        "", "Mix with style", max_length=40, hint="A second style for models that have styles of their own"
    )
    mix_share: float = option(0.5, "How much of the second style", low=0.0, high=1.0, step=0.05)
    mix_by: str = option(
        "weight", "Mix by", choices=("weight", "steps"),
        hint="weight: both in every step; steps: shapes of the first style, surfaces of the second",
    )  # fmt: skip
    transparent: bool = option(False, "Transparent background", hint="For models that can cut out")
    upscale: bool = option(True, "Upscale", hint="Off gives the picture as small as the model draws it")
    to_prompt: str = option(
        "", "Blend into", max_length=2000, hint="A second prompt: the result is a sheet of what lies between"
    )
    frames: int = option(
        8,
        "Pictures from one prompt to the other",
        low=2,
        high=72,
        hint="At most 24 on a sheet; a film (mp4) takes more",
    )
    scheduler: str = option("own", "Scheduler", choices=("own", *SCHEDULERS), advanced=True)
    lora: str = option(
        "", "LoRA", max_length=200, advanced=True,
        hint="A folder of checkpoints, a .safetensors file in it, or owner/name on the hub",
    )  # fmt: skip
    lora_scale: float = option(1.0, "LoRA strength", low=-2.0, high=2.0, step=0.1, advanced=True)
    control: str = option(
        "", "ControlNet", max_length=80, advanced=True,
        hint="A folder of checkpoints; the input picture then guides the shapes",
    )  # fmt: skip
    control_scale: float = option(1.0, "ControlNet strength", low=0.0, high=2.0, step=0.05, advanced=True)
    previews: bool = option(True, "Show the picture on the way", advanced=True)
    live: bool = option(
        False,
        "Live",
        hint="A preview of the last step instead of a result, for pictures while one types",
        advanced=True,
    )
