"""Hub audio models of random weights, built from configurations without a network: MusicGen, Bark, Dia, Stable Audio, AudioLDM 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = ["<pad>", "</s>", "<unk>", "a", "calm", "harp", "drum", "hello", "rain"]


def tokenizer(cls: Any = None, **more: Any) -> Any:
    """Whole words, split at spaces, as a fast tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    kept = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 16} | more
    return (cls or PreTrainedTokenizerFast)(tokenizer_object=raw, **kept)


def encodec() -> Any:
    from transformers import EncodecConfig

    return EncodecConfig(
        target_bandwidths=[2.0], sampling_rate=4000, num_filters=4, hidden_size=8, codebook_size=32, codebook_dim=8,
        upsampling_ratios=[5, 4, 4], num_lstm_layers=1, num_residual_layers=1, audio_channels=1,
    )  # fmt: skip


def _fill_codebooks(net: Any) -> None:
    """They begin at zero, and would make every sequence of codes sound the same."""
    for name, buffer in net.named_buffers():
        if name.endswith("codebook.embed"):
            buffer.normal_()


def t5() -> Any:
    from transformers import T5Config

    return T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)


def save_musicgen(folder: Path) -> Path:
    import torch
    from transformers import MusicgenConfig, MusicgenDecoderConfig, MusicgenForConditionalGeneration

    torch.manual_seed(0)
    codec = encodec()
    decoder = MusicgenDecoderConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, num_codebooks=4,
        max_position_embeddings=2048, pad_token_id=32, bos_token_id=32,
    )  # fmt: skip
    config = MusicgenConfig(
        text_encoder=t5().to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    net = MusicgenForConditionalGeneration(config)
    net.generation_config.decoder_start_token_id = 32
    net.generation_config.pad_token_id = 32
    net.generation_config.bos_token_id = 32
    _fill_codebooks(net)
    net.save_pretrained(folder, safe_serialization=True)
    tokenizer().save_pretrained(folder)
    return folder


def save_bark(folder: Path) -> Path:
    import torch
    from transformers import BarkConfig, BarkModel
    from transformers.models.bark.configuration_bark import (
        BarkCoarseConfig,
        BarkFineConfig,
        BarkSemanticConfig,
    )
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    torch.manual_seed(0)
    size: dict[str, Any] = {"num_layers": 1, "num_heads": 2, "hidden_size": 16, "block_size": 1024}
    semantic = BarkSemanticConfig(input_vocab_size=300, output_vocab_size=300, **size)
    coarse = BarkCoarseConfig(input_vocab_size=300, output_vocab_size=300, **size)
    fine = BarkFineConfig(input_vocab_size=65, output_vocab_size=64, n_codes_total=8, n_codes_given=1, **size)
    codec = encodec()
    codec.target_bandwidths, codec.codebook_size = [4.0], 64
    config = BarkConfig(
        semantic_config=semantic.to_dict(), coarse_acoustics_config=coarse.to_dict(),
        fine_acoustics_config=fine.to_dict(), codec_config=codec.to_dict(),
    )  # fmt: skip
    net = BarkModel(config)
    told = BarkGenerationConfig.from_sub_model_configs(
        BarkSemanticGenerationConfig(
            text_encoding_offset=100, text_pad_token=200, semantic_pad_token=99, semantic_vocab_size=99,
            semantic_infer_token=201, eos_token_id=99, pad_token_id=99, max_new_tokens=40, semantic_rate_hz=49.9,
        ),
        BarkCoarseGenerationConfig(
            coarse_semantic_pad_token=250, coarse_infer_token=251, n_coarse_codebooks=2, coarse_rate_hz=50,
            max_coarse_history=60, sliding_window_len=20, pad_token_id=250, eos_token_id=None,
        ),
        BarkFineGenerationConfig(max_fine_history_length=64, max_fine_input_length=128, n_fine_codebooks=8),
        sample_rate=4000, codebook_size=64,
    )  # fmt: skip
    _fill_codebooks(net)
    net.save_pretrained(folder, safe_serialization=True)
    # Its own class of settings does not save itself in transformers 5.
    (folder / "generation_config.json").write_text(json.dumps(told.to_dict()))
    tokenizer().save_pretrained(folder)
    return folder


def save_dia(folder: Path, codec_folder: Path) -> Path:
    import torch
    from transformers import (
        DacConfig,
        DacModel,
        DiaConfig,
        DiaDecoderConfig,
        DiaEncoderConfig,
        DiaFeatureExtractor,
        DiaForConditionalGeneration,
        DiaTokenizer,
    )  # fmt: skip

    torch.manual_seed(0)
    size: dict[str, Any] = {
        "num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 8,
    }  # fmt: skip
    encoder = DiaEncoderConfig(max_position_embeddings=64, vocab_size=256, **size)
    decoder = DiaDecoderConfig(
        max_position_embeddings=512, cross_num_attention_heads=2, cross_num_key_value_heads=2, cross_head_dim=8,
        cross_hidden_size=16, vocab_size=1028, **size,
    )  # fmt: skip
    config = DiaConfig(encoder_config=encoder, decoder_config=decoder)
    DiaForConditionalGeneration(config).save_pretrained(folder, safe_serialization=True)
    DiaTokenizer().save_pretrained(folder)
    DiaFeatureExtractor(sampling_rate=4000, hop_length=80).save_pretrained(folder)
    dac = DacConfig(
        encoder_hidden_size=8, downsampling_ratios=[5, 4, 4], decoder_hidden_size=16, upsampling_ratios=[5, 4, 4],
        n_codebooks=9, codebook_size=1024, codebook_dim=4, hidden_size=64, sampling_rate=4000, hop_length=80,
    )  # fmt: skip
    DacModel(dac).save_pretrained(codec_folder, safe_serialization=True)
    return folder


def save_stable_audio(folder: Path) -> Path:
    import torch
    from diffusers import (
        AutoencoderOobleck,
        CosineDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
        StableAudioProjectionModel,
    )  # fmt: skip
    from transformers import T5EncoderModel

    torch.manual_seed(0)
    transformer = StableAudioDiTModel(
        sample_size=64, in_channels=3, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        num_key_value_attention_heads=2, out_channels=3, cross_attention_dim=16, time_proj_dim=8, global_states_input_dim=32,
        cross_attention_input_dim=16,
    )  # fmt: skip
    vae = AutoencoderOobleck(
        encoder_hidden_size=6, downsampling_ratios=[5, 5, 4], decoder_channels=3, decoder_input_channels=3,
        audio_channels=2, channel_multiples=[2, 2, 4], sampling_rate=4000,
    )  # fmt: skip
    projection = StableAudioProjectionModel(
        text_encoder_dim=16, conditioning_dim=16, min_value=0, max_value=64
    )
    StableAudioPipeline(
        vae=vae, text_encoder=T5EncoderModel(t5()), projection_model=projection, tokenizer=tokenizer(),
        transformer=transformer,
        scheduler=CosineDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
        ),
    ).save_pretrained(folder, safe_serialization=True)  # fmt: skip
    return folder


def without(folder: Path, name: str) -> None:
    """The first weights file of a folder loses the tensor called `name`."""
    from safetensors.torch import load_file, save_file

    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    kept = {key: value for key, value in tensors.items() if name not in key}
    assert len(kept) < len(tensors), json.dumps(sorted(tensors)[:20])
    save_file(kept, path, metadata={"format": "pt"})
