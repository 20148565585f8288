"""Piper voices: the alphabet, a graph with given noise, the engine on a tiny model and on the real one."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from studio.catalog import Catalog, Model
from studio.engines.devices import cpu
from studio.engines.speech_graph import with_given_noise
from studio.engines.speech_piper import Config, Piper, to_ipa
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Progress

pytestmark = pytest.mark.real  # the lexicon is read in all of them
SYMBOLS = {
    symbol: [number] for number, symbol in enumerate("_^$ .,?!abdefhijklmnoprstuvwzæðŋɐɑɔəɚɛɜɡɪɹɾʃʊʌʒˈˌːθᵻ")
}
SCRIPT = "The studio speaks. It costs $3.50, says everybody who asked! Is that so?"


def job(
    script: str, id: str = "job1", seed: int = 1, flag: threading.Event | None = None, **options: Any
) -> Job:
    brief = Brief("speech", script, options=options, seed=seed)
    return Job(id, brief, "me", "running", datetime.now(UTC), flag=flag)


def tiny_graph(path: Path, dtype: int = TensorProto.FLOAT) -> None:
    """A stand-in for a voice: noise times its scale, as long as its symbols."""
    nodes = [
        helper.make_node("Cast", ["input"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Expand", ["wide", "reach"], ["long"]),
        helper.make_node("RandomNormalLike", ["long"], ["dice"], dtype=dtype, name="dice"),
        helper.make_node("RandomNormalLike", ["long"], ["more"], dtype=dtype, name="more"),
        helper.make_node("Add", ["dice", "more"], ["sum"]),
        helper.make_node("Slice", ["scales", "from", "to"], ["scale"]),
        helper.make_node("Mul", ["sum", "scale"], ["loud"]),
        helper.make_node("Mul", ["loud", "quiet"], ["soft"]),
        helper.make_node("Reshape", ["soft", "flat"], ["output"]),
    ]
    constants = {
        "reach": np.array([2000, 1], np.int64), "from": np.array([0], np.int64), "to": np.array([1], np.int64),
        "flat": np.array([1, 1, 1, -1], np.int64), "quiet": np.array(0.05, np.float32),
    }  # fmt: skip
    shapes = {"input": ["n", "m"], "input_lengths": ["n"], "scales": [3]}
    kinds = {"input": TensorProto.INT64, "input_lengths": TensorProto.INT64, "scales": TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes, "voice",
        [helper.make_tensor_value_info(name, kinds[name], shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), str(path))


def config(**changes: Any) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": 22_050}, "num_speakers": 1, "phoneme_id_map": SYMBOLS,
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
    } | changes  # fmt: skip


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    tiny_graph(tmp_path / "model.onnx")
    (tmp_path / "model.onnx.json").write_text(json.dumps(config()), "utf-8")
    return replace(Catalog.read(Settings(home=tmp_path)).get("joe-us"), folder=tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu")


def loaded(model: Model, home: Settings) -> Piper:
    engine = Piper(model, cpu(), home)
    engine.load()
    return engine


def spoken(steps: list[Progress | Draft]) -> Draft:
    (draft,) = [step for step in steps if isinstance(step, Draft)]
    return draft


# --- The alphabet -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "ipa"),
    [
        ("wˈɛlkəm tə ðə hˈɑɹbəɹ mjuzˈiəm.", "wˈɛlkəm tə ðə hˈɑːɹbɚ mjuːzˈiːəm."),
        ("nˈɜɹs", "nˈɜːs"),
        ("hˈæpi", "hˈæpi"),
        ("fˈɜɹi", "fˈɜːɹi"),
        ("hi", "hiː"),
        ("mˈiɾɪŋ", "mˈiːɾɪŋ"),
        ("kəɹˈɛkt", "kɚɹˈɛkt"),
        ("əɹˈWnd", "ɚɹˈaʊnd"),
        ("ˈæftəɹ ˈɛkstɹə", "ˈæftɚɹ ˈɛkstɹə"),
        ("hɜɹ ˈOld", "hɜːɹ ˈoʊld"),
        ("fˈiː ɪz", "fˈiː ɪz"),
        ("ði ˈæpᵊl ˌɔn", "ðɪ ˈæpəl ˌɔn"),
        ("nˌIntˈin", "nˌaɪntˈiːn"),
        ("sˈɪkstiˌAt", "sˈɪksti ˈeɪt"),
        ("ˌAɾisˈɪks", "ˈeɪɾi sˈɪks"),
        ("fˌɔɹɾˈin", "fˌɔːɹɾˈiːn"),
        ("ʤˈʌʤ ʧˈYs", "dʒˈʌdʒ tʃˈɔɪs"),
        ("ɡˈO — nˈW…", "ɡˈoʊ , nˈaʊ."),
        ("təmˈɑːtoʊ", "təmˈɑːtoʊ"),
    ],
)
def test_the_alphabet(ours: str, ipa: str) -> None:
    assert to_ipa(ours) == ipa


def test_symbols_stand_between_blanks(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config()), "utf-8")
    a, b = SYMBOLS["a"][0], SYMBOLS["b"][0]
    assert Config.read(path).numbers("a😀b") == [1, 0, a, 0, b, 0, 2]
    assert Config.read(path).numbers("😀") == []


# --- On a tiny model ----------------------------------------------------------------------------


def test_noise_is_given_and_never_runs_out(tmp_path: Path) -> None:
    import onnxruntime

    tiny_graph(tmp_path / "model.onnx")
    made = with_given_noise(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    inputs = {
        "input": np.ones((1, 7), np.int64), "input_lengths": np.array([7]),
        "scales": np.ones(3, np.float32), "noise": noise,
    }  # fmt: skip
    first, second = (session.run(None, inputs)[0].ravel() for _ in range(2))
    assert len(first) == 14_000 and np.array_equal(first, second)
    places = [np.arange(14_000) + start for start in (2 * 7_919, 3 * 7_919)]
    assert np.allclose(first, 0.05 * sum(noise[place % 1000] for place in places), atol=1e-6)
    assert not np.array_equal(first, session.run(None, inputs | {"noise": noise[::-1]})[0].ravel())


def test_noise_of_another_type_is_refused(tmp_path: Path) -> None:
    tiny_graph(tmp_path / "model.onnx", TensorProto.DOUBLE)
    with pytest.raises(ValueError, match="dice"):
        with_given_noise(tmp_path / "model.onnx")


def test_the_seed_decides(tiny: Model, home: Settings) -> None:
    engine = loaded(tiny, home)
    one, same, other = (
        spoken(list(engine.generate(job(SCRIPT, id, seed)))) for id, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.payload.sample_rate == 22_050 and one.facts["sentences"] == 3
    assert np.array_equal(one.payload.samples, same.payload.samples)
    assert not np.array_equal(one.payload.samples, other.payload.samples)


def test_a_take_of_another_seed_is_not_continued(tiny: Model, home: Settings) -> None:
    engine = loaded(tiny, home)
    whole = spoken(list(engine.generate(job(SCRIPT, "whole", 2)))).payload.samples
    stream = engine.generate(job(SCRIPT, "killed", 1))
    next(stream), next(stream)
    del stream
    assert np.array_equal(spoken(list(engine.generate(job(SCRIPT, "killed", 2)))).payload.samples, whole)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"voice": "jf_alpha"}, "joe"),
        ({"language": "ja"}, "en-us"),
        ({"speed": 0}, "0.5"),
        ({"speed": 100}, "2"),
    ],
)
def test_options_out_of_range(tiny: Model, home: Settings, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        list(loaded(tiny, home).generate(job("Hello.", **options)))


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        json.dumps(config(num_speakers=3)),
        json.dumps(config(phoneme_id_map={"a": [1]})),
        json.dumps(config(phoneme_id_map={"a": 1})),
        json.dumps(config(audio={"sample_rate": 0})),
        json.dumps(config(inference={})),
    ],
)
def test_a_broken_configuration(tiny: Model, home: Settings, broken: str) -> None:
    (tiny.folder / "model.onnx.json").write_text(broken, "utf-8")
    with pytest.raises(ModelBroken, match="models pull joe-us"):
        loaded(tiny, home)


def test_a_graph_of_something_else(tiny: Model, home: Settings) -> None:
    shutil.copy(Catalog.read(home).get("dnsmos").folder / "sig_bak_ovr.onnx", tiny.folder / "model.onnx")
    with pytest.raises(ModelBroken, match="not|cannot"):
        loaded(tiny, home)
    (tiny.folder / "model.onnx").unlink()
    with pytest.raises(ModelMissing, match="models pull joe-us"):
        loaded(tiny, home)


# --- On the real voice --------------------------------------------------------------------------


def test_the_real_voice_is_understood_and_stops_at_once(home: Settings) -> None:
    import soxr

    from studio.quality.speech_words import compare, hear

    catalog = Catalog.read(home)
    engine = loaded(catalog.get("joe-us"), home)
    script = "The train to Edinburgh leaves at half past nine, from platform four."
    draft = spoken(list(engine.generate(job(script))))
    samples = soxr.resample(draft.payload.samples[:, 0], 22_050, 16_000).astype(np.float32)
    wrong, slips = compare(script, hear(samples, catalog.get("whisper-base").folder))
    assert wrong <= 0.2, slips

    flag = threading.Event()
    ended: list[float] = []
    ahead = job(
        "This sentence is long enough to be in the making for a good while yet, " * 3 + ".", "b", flag=flag
    )

    def run() -> None:
        assert not any(isinstance(step, Draft) for step in engine.generate(ahead))
        while any(thread.name.startswith("speech") for thread in threading.enumerate()):
            time.sleep(0.005)
        ended.append(time.process_time())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    flag.set()
    stopped = time.process_time()
    thread.join(60)
    assert ended and ended[0] - stopped < 0.5  # of the processor, which a busy machine does not stretch
