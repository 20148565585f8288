"""A Stable Diffusion pipeline of random weights, a few hundred kilobytes, built without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def save_tiny_pipeline(folder: Path, *, seed: int = 0, cross_attention: int = 16) -> Path:
    """A complete text-to-image folder: 32×32 pictures, safetensors only."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross_attention,
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=cross_attention, intermediate_size=32, num_attention_heads=2, num_hidden_layers=1,
            vocab_size=600, max_position_embeddings=32, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    StableDiffusionPipeline(
        unet=unet, vae=vae, text_encoder=text, tokenizer=_tokenizer(folder.parent, CLIPTokenizer),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)  # fmt: skip
    return folder


def _tokenizer(scratch: Path, cls: Any) -> Any:
    letters = [chr(c) for c in range(33, 127)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    vocabulary = scratch / "vocab.json"
    vocabulary.write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (scratch / "merges.txt").write_text("#version: 0.2\n")
    return cls(str(vocabulary), str(scratch / "merges.txt"), model_max_length=32)


def save_tiny_lora(pipeline_folder: Path, path: Path, seed: int = 1) -> Path:
    """A LoRA of random weights over the attention of that pipeline's UNet."""
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(pipeline_folder / "unet")
    unet.add_adapter(
        LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v"])
    )
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    path.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(path.parent, unet_lora_layers=layers, weight_name=path.name)
    return path


def save_tiny_controlnet(pipeline_folder: Path, folder: Path, seed: int = 2) -> Path:
    """A ControlNet of random weights for that pipeline's UNet."""
    import torch
    from diffusers import ControlNetModel, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(pipeline_folder / "unet")
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8))
    for part in (
        *net.controlnet_down_blocks,
        net.controlnet_mid_block,
    ):  # they begin at zero and would do nothing
        torch.nn.init.normal_(part.weight, std=0.5)
    net.save_pretrained(folder, safe_serialization=True)
    return folder
