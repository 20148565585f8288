"""What a pipeline offers, read from source text, against what the loaded class really takes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_image_diffusers import model_at

from studio.engines.image_offers import Offers, offers


def of_class(folder: Path, name: str, scheduler: str = "EulerDiscreteScheduler", **configs: object) -> Offers:
    folder.mkdir(exist_ok=True)
    index = {"_class_name": name, "scheduler": ["diffusers", scheduler]}
    (folder / "model_index.json").write_text(json.dumps(index))
    for part, config in configs.items():
        (folder / part).mkdir(exist_ok=True)
        (folder / part / "config.json").write_text(json.dumps(config))
    return offers(replace(model_at(folder)))


def test_stable_diffusion(tmp_path: Path) -> None:
    vae = {"block_out_channels": [128, 256, 512, 512]}
    found = of_class(
        tmp_path / "sd", "StableDiffusionPipeline", "PNDMScheduler", unet={"sample_size": 64}, vae=vae
    )
    assert found.tasks == {"text", "image", "inpaint", "control"}
    assert found.side == 512 and found.lora and found.blends and not found.styles
    for option in ("negative_prompt", "steps", "guidance_scale", "width", "strength", "lora", "control"):
        assert found.has(option), option
    assert not found.has("style") and not found.has("transparent") and not found.has("upscale")
    assert {"own", "euler", "unipc", "pndm"} <= set(found.schedulers)


def test_flux_keeps_its_own_scheduler(tmp_path: Path) -> None:
    found = of_class(tmp_path / "flux", "FluxPipeline", "FlowMatchEulerDiscreteScheduler")
    assert found.tasks == {"text", "image", "inpaint", "control"} and found.side == 1024
    assert found.schedulers == ("own",) and not found.has("scheduler")


def test_the_catalogs_own_options_are_the_models_own_values(tmp_path: Path) -> None:
    of_class(tmp_path / "flux", "FluxPipeline", "FlowMatchEulerDiscreteScheduler")
    model = replace(model_at(tmp_path / "flux"), options={"steps": 4, "guidance_scale": 0.0, "nonsense": 1})
    found = offers(model)
    assert (found.arguments["num_inference_steps"], found.arguments["guidance_scale"]) == (4, 0.0)
    assert "nonsense" not in found.arguments


def test_a_family_with_text_alone(tmp_path: Path) -> None:
    found = of_class(tmp_path / "pixart", "PixArtSigmaPipeline", transformer={"sample_size": 128})
    assert found.tasks == {"text"} and not found.has("strength") and not found.has("control")
    assert found.has("negative_prompt") and not found.lora


def test_signet_sticker(tmp_path: Path) -> None:
    found = of_class(tmp_path / "s", "SignetStickerPipeline", "FlowMatchEulerDiscreteScheduler")
    assert found.tasks == {"text", "image", "inpaint"} and found.side == 512
    assert found.styles == ("3d", "gradient", "flat", "cartoon")
    assert found.has("transparent") and found.has("upscale") and found.has("to_prompt") and not found.lora


@pytest.mark.parametrize("name", ["NoSuchPipeline", "", "os.system", "Stable(", "../x"])
def test_an_unknown_class_offers_text_alone(tmp_path: Path, name: str) -> None:
    assert of_class(tmp_path / "odd", name).tasks == {"text"}


def test_a_folder_that_is_not_here_yet(tmp_path: Path) -> None:
    assert offers(model_at(tmp_path / "nothing")).tasks == {"text"}


@pytest.mark.parametrize("name", ["StableDiffusionXLPipeline", "FluxPipeline", "SanaPipeline"])
def test_it_agrees_with_the_class_itself(tmp_path: Path, name: str) -> None:
    code = (
        "import diffusers, inspect\n"
        f"cls = diffusers.{name}\n"
        "print(sorted(set(inspect.signature(cls.__call__).parameters) - {'self', 'kwargs'}))\n"
        "print(hasattr(cls, 'load_lora_weights'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    names, lora = done.stdout.strip().splitlines()[-2:]
    found = of_class(tmp_path / "it", name)
    assert str(sorted(found.arguments)) == names
    assert str(found.lora) == lora


def test_asking_loads_neither_torch_nor_diffusers() -> None:
    code = (
        "import sys\nfrom studio.catalog import Catalog\nfrom studio.settings import Settings\n"
        "from studio.engines.image_offers import offers\n"
        "catalog = Catalog.read(Settings.read({}, home='.'))\n"
        "print([offers(model).side for model in catalog.of_kind('image')])\n"
        "assert not {'torch', 'diffusers', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
