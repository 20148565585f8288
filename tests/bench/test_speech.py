"""The bare side of the speech bench is the model itself, on the same phonemes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.bench import speech
from studio.settings import Settings


@pytest.mark.real
def test_without_kokoro_onnx_the_model_is_called_bare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "find_spec", lambda name: None)
    monkeypatch.setattr(speech, "SCRIPT", "Good morning.")
    bare, name = speech._bare(Settings.read({}, home=tmp_path, device="cpu"))
    assert name == "bare onnxruntime on the same file"
    samples = bare()
    assert 0.5 < len(samples) / speech.SAMPLE_RATE < 3 and np.abs(samples).max() > 0.05
