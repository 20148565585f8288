"""The catalog: the shipped file is right, every wrong entry is refused by name, states are told apart."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studio.catalog import Catalog
from studio.catalog_file import is_safe_path
from studio.errors import BadInput, ModelBroken, ModelMissing, NotFound, StudioError
from studio.settings import ROOT, Settings

DATA = b'{"vocab": {}}'
DIGEST = hashlib.sha256(DATA).hexdigest()

GOOD: dict[str, Any] = {
    "kind": "text",
    "engine": "text_llama",
    "title": "Tiny",
    "summary": "For tests.",
    "licence": "Apache-2.0",
    "licence_url": "https://example.org/licence",
    "commercial": "yes",
    "revision": "1.0",
    "memory_mb": 10,
    "source": {"type": "wheel", "packages": ["tiny-model==1.0"]},
    "files": [{"path": "vocab.json", "size": len(DATA), "sha256": DIGEST, "parts": ["tiny/vocab.json"]}],
    "data": [{"name": "Old books", "licence": "CC0-1.0"}],
}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def write_entries(folder: Path, **entries: dict[str, Any]) -> None:
    tables = [
        f"[{json.dumps(name)}]\n" + "\n".join(f"{key} = {toml(value)}" for key, value in entry.items())
        for name, entry in entries.items()
    ]
    (folder / "catalog.toml").write_text("\n\n".join(tables), "utf-8")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ck").mkdir()
    return Settings.read({}, home=tmp_path / "home", checkpoints=tmp_path / "ck")


def catalog_of(settings: Settings, **entries: dict[str, Any]) -> Catalog:
    write_entries(settings.checkpoints, **entries)
    return Catalog.read(settings)


def put(settings: Settings, data: bytes = DATA) -> Path:
    folder = settings.checkpoints / "tiny"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_bytes(data)
    return folder


# --- the shipped catalog ------------------------------------------------------------------------


def test_the_shipped_catalog_has_what_the_studio_needs(tmp_path: Path) -> None:
    catalog = Catalog.read(Settings.read({}, home=tmp_path))
    for kind in ("text", "speech", "embedding", "listen", "safety", "quality", "data"):
        assert catalog.default(kind).kind == kind
    setup = {model.name for model in catalog if model.setup}
    assert {"smollm2-135m", "kokoro-82m", "minilm-l6-v2", "whisper-base", "opennsfw", "dnsmos"} <= setup
    assert sum(file.size for model in catalog if model.setup for file in model.files) < 600 * 2**20


def test_every_shipped_entry_says_where_its_data_comes_from_and_who_made_it(tmp_path: Path) -> None:
    for model in Catalog.read(Settings.read({}, home=tmp_path)):
        if model.source["type"] == "builtin":  # no model at all
            continue
        assert model.data and all(source.name and source.licence for source in model.data), model.name
        assert model.attribution and model.summary.endswith("."), model.name
        assert (model.engine is not None) == (
            model.kind in {"text", "speech", "image", "music", "video", "listen"}
        ), model.name
        assert model.folder == ROOT / "checkpoints" / model.name


def test_models_of_our_own_name_no_path_of_a_machine() -> None:
    for path in (ROOT / "checkpoints").glob("signet-*/**/*.json"):
        name = json.loads(path.read_text("utf-8"))
        assert not (isinstance(name, dict) and name.get("_name_or_path")), path


@pytest.mark.real
def test_the_default_weights_are_the_named_files(tmp_path: Path) -> None:
    catalog = Catalog.read(Settings.read({}, home=tmp_path))
    verified = {catalog.verify(model.name).name for model in catalog if model.setup}
    assert verified >= {"smollm2-135m", "kokoro-82m", "minilm-l6-v2"}


# --- reading ------------------------------------------------------------------------------------


def test_a_good_entry_is_read_whole(settings: Settings) -> None:
    model = catalog_of(settings, tiny=GOOD | {"default": True, "languages": ["en"]}).get("tiny")
    assert model.folder == settings.checkpoints / "tiny"
    assert (model.default, model.setup, model.languages) == (True, False, ("en",))
    assert model.files[0].parts == ("tiny/vocab.json",) and model.data[0].licence == "CC0-1.0"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"kind": "smell"}, "kind"),
        ({"commercial": "maybe"}, "commercial"),
        ({"licence": "free for all"}, "licence"),
        ({"licence_url": "http://example.org"}, "licence_url"),
        ({"title": ""}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"memory_mb": "10"}, "memory_mb"),
        ({"memory_mb": True}, "memory_mb"),
        ({"memory_mb": -1}, "memory_mb"),
        ({"languages": [1]}, "languages"),
        ({"source": {"type": "ftp"}}, "source.type"),
        ({"source": {"type": "wheel"}}, "source.packages"),
        ({"source": {"type": "wheel", "packages": ["tiny"]}}, "source.packages"),
        ({"source": {"type": "wheel", "packages": ["tiny>=1"]}}, "source.packages"),
        ({"source": {"type": "wheel", "packages": ["--index-url=x==1"]}}, "source.packages"),
        ({"source": {"type": "wheel", "packages": ["tiny @ https://x/y.whl"]}}, "source.packages"),
        ({"source": {"type": "npm", "packages": ["@a/b@latest"]}}, "source.packages"),
        ({"source": {"type": "wheel", "packages": ["t==1"], "repo": "a/b"}}, "source.repo"),
        ({"source": {"type": "hub", "repo": "a/b", "include": ["*.json"]}}, "revision"),
        (
            {"source": {"type": "hub", "repo": "a", "include": ["*"]}, "pinned": False, "files": []},
            "source.repo",
        ),
        ({"source": {"type": "local", "path": "models"}}, "source.path"),
        ({"files": []}, "files"),
        ({"pinned": False}, "files"),
        ({"pinned": False, "files": []}, "pinned"),
        ({"data": [{"name": "Books"}]}, "data[0].licence"),
        ({"data": [{"name": "Books", "licence": "CC0-1.0", "who": "me"}]}, "data[0].who"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str, settings: Settings) -> None:
    with pytest.raises(BadInput) as refusal:
        catalog_of(settings, tiny=GOOD | change)
    assert str(refusal.value).startswith(f"catalog.toml: entry 'tiny', field {field}: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sha256": DIGEST.upper()}, "sha256"),
        ({"sha256": DIGEST[:16]}, "sha256"),
        ({"size": 0}, "size"),
        ({"size": 1.5}, "size"),
        ({"path": "../vocab.json"}, "path"),
        ({"path": "/etc/passwd"}, "path"),
        ({"path": "a\\b"}, "path"),
        ({"parts": []}, "parts"),
        ({"parts": ["../x"]}, "parts"),
    ],
)
def test_a_wrong_file_is_named(change: dict[str, Any], field: str, settings: Settings) -> None:
    with pytest.raises(BadInput, match=rf"entry 'tiny', field files\[0\]\.{field}"):
        catalog_of(settings, tiny=GOOD | {"files": [GOOD["files"][0] | change]})


@pytest.mark.parametrize("name", ["Tiny", "a/b", "..", "a..b", "", "-x", "x" * 65])
def test_a_wrong_name_is_refused(name: str, settings: Settings) -> None:
    with pytest.raises(BadInput, match="field name"):
        catalog_of(settings, **{name: GOOD})


def test_a_missing_field_is_named(settings: Settings) -> None:
    for key in ("kind", "title", "licence", "source", "memory_mb"):
        with pytest.raises(BadInput, match=f"field {key}: is missing"):
            catalog_of(settings, tiny={k: v for k, v in GOOD.items() if k != key})


@pytest.mark.parametrize("text", ["[tiny", "tiny = 1", "\ufeff[a]\nb=1"])
def test_a_damaged_catalog_is_one_sentence(text: str, settings: Settings) -> None:
    (settings.checkpoints / "catalog.toml").write_text(text, "utf-8")
    with pytest.raises(BadInput, match=r"catalog\.toml"):
        Catalog.read(settings)


@effort(max_examples=150)
@given(
    key=st.sampled_from(sorted(GOOD)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_no_value_of_any_field_makes_a_traceback(key: str, value: Any) -> None:
    from studio.catalog_file import _Entry

    try:
        _Entry("catalog.toml", "tiny", GOOD | {key: value}, Path("/ck")).model()
    except StudioError as refusal:
        assert "'tiny'" in str(refusal)


@given(
    st.lists(
        st.sampled_from(["a", "..", ".", "", "b.json", " ", "c:", "\\", "~", "\0", "x" * 30]), max_size=6
    )
)
def test_a_safe_path_stays_inside(parts: list[str]) -> None:
    value = "/".join(parts)
    if is_safe_path(value):
        inside = (Path("/ck/m") / value).resolve()
        assert inside.is_relative_to("/ck/m") and inside != Path("/ck/m")


# --- names, kinds, defaults ---------------------------------------------------------------------


def test_an_unknown_name_lists_the_valid_ones(settings: Settings) -> None:
    with pytest.raises(NotFound, match="choose one of: tiny, other"):
        catalog_of(settings, tiny=GOOD, other=GOOD).get("big")


def test_default_and_kinds(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD, other=GOOD | {"default": True})
    assert catalog.default("text").name == "other"
    assert [model.name for model in catalog.of_kind("text")] == ["tiny", "other"]
    with pytest.raises(NotFound, match="no model that makes image yet"):
        catalog.default("image")
    with pytest.raises(NotFound, match="no default text model; name one of: tiny"):
        catalog_of(settings, tiny=GOOD).default("text")


def test_a_builtin_entry_has_no_files_and_is_always_ready(settings: Settings) -> None:
    bare = {k: v for k, v in GOOD.items() if k != "files"} | {"source": {"type": "builtin"}}
    assert catalog_of(settings, echo=bare).ready("echo")
    with pytest.raises(BadInput, match="field files: a builtin entry has none"):
        catalog_of(settings, echo=bare | {"files": [{"path": "a.json", "size": 1, "sha256": DIGEST}]})


def test_two_defaults_of_a_kind_are_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="tiny is already the default"):
        catalog_of(settings, tiny=GOOD | {"default": True}, other=GOOD | {"default": True})


def test_an_unknown_base_is_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="base names 'gone'"):
        catalog_of(settings, tiny=GOOD | {"base": ["gone"]})


# --- folders with a model.toml of their own -----------------------------------------------------


def publish(settings: Settings, name: str, **change: Any) -> Path:
    folder = settings.checkpoints / name
    folder.mkdir()
    (folder / "vocab.json").write_bytes(DATA)
    entry = GOOD | {
        "source": {"type": "local"},
        "files": [{"path": "vocab.json", "size": len(DATA), "sha256": DIGEST}],
    }
    text = "\n".join(f"{key} = {toml(value)}" for key, value in (entry | change).items())
    (folder / "model.toml").write_text(text, "utf-8")
    return folder


def test_a_dropped_folder_is_a_model(settings: Settings) -> None:
    publish(settings, "signet-copy", base=["tiny"])
    catalog = catalog_of(settings, tiny=GOOD)
    assert catalog.names == ("tiny", "signet-copy")
    assert catalog.verify("signet-copy").base == ("tiny",)


def test_a_dropped_folder_with_a_fault_is_named(settings: Settings) -> None:
    publish(settings, "signet-copy", kind="smell")
    with pytest.raises(BadInput, match=r"^signet-copy/model\.toml: entry 'signet-copy', field kind"):
        catalog_of(settings, tiny=GOOD)


def test_a_dropped_folder_cannot_take_a_name(settings: Settings) -> None:
    publish(settings, "tiny")
    with pytest.raises(BadInput, match="taken by another entry"):
        catalog_of(settings, tiny=GOOD)


def test_a_missing_local_model_says_where_it_should_be(settings: Settings) -> None:
    (publish(settings, "signet-copy") / "vocab.json").unlink()
    with pytest.raises(ModelMissing, match=r"vocab\.json is missing in .*signet-copy"):
        catalog_of(settings).require("signet-copy")


def test_a_local_folder_elsewhere(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "models" / "sd"
    entry = {k: v for k, v in GOOD.items() if k != "files"} | {
        "pinned": False,
        "source": {"type": "local", "path": str(place)},
    }
    catalog = catalog_of(settings, sd=entry)
    assert not catalog.ready("sd")
    place.mkdir(parents=True)
    (place / "model_index.json").write_text("{}")
    assert catalog.verify("sd").folder == place


# --- missing, truncated, swapped ----------------------------------------------------------------


def test_missing_weights_name_the_command(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    assert not catalog.ready("tiny")
    with pytest.raises(ModelMissing, match=r"get it with: python -m studio models pull tiny$"):
        catalog.require("tiny")


def test_whole_weights_are_ready_and_verified(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    put(settings)
    assert catalog.ready("tiny") and catalog.verify("tiny") is catalog.get("tiny")


def test_truncated_weights_are_noticed_cheaply(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    put(settings, DATA[:-1])
    assert not catalog.ready("tiny")
    with pytest.raises(ModelBroken, match="12 bytes instead of 13"):
        catalog.require("tiny")


def test_swapped_weights_are_noticed_by_verify(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    put(settings, DATA.replace(b"vocab", b"VOCAB"))
    assert catalog.ready("tiny")
    with pytest.raises(ModelBroken, match="SHA-256 differs"):
        catalog.verify("tiny")


def test_weights_are_proved_once_and_again_when_they_were_touched(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    path = put(settings) / "vocab.json"
    read: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.catalog.sha256_of", lambda path: read.append(path) or DIGEST)
        catalog.prove("tiny")
        catalog.prove("tiny")
        assert read == [path]
        os.utime(path, ns=(1, 1))
        catalog.prove("tiny")
        assert read == [path, path]
    path.write_bytes(DATA.replace(b"vocab", b"VOCAB"))
    for _ in range(2):
        with pytest.raises(ModelBroken, match="SHA-256 differs"):
            catalog.prove("tiny")


def test_a_damaged_record_of_proved_weights_does_no_harm(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    put(settings)
    catalog.prove("tiny")
    for junk in (b"", b"[1", b"\xff"):
        (settings.home / "proved" / "tiny.json").write_bytes(junk)
        assert catalog.prove("tiny").name == "tiny"


def test_a_pickle_beside_the_listed_files_is_noticed(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    (put(settings) / "pytorch_model.bin").write_bytes(b"\x80\x02}.")
    with pytest.raises(ModelBroken, match="pickle"):
        catalog.verify("tiny")


def test_a_damaged_lock_is_one_sentence(settings: Settings) -> None:
    entry = GOOD | {
        "source": {"type": "hub", "repo": "a/b", "include": ["*.json"]},
        "revision": "main",
        "pinned": False,
        "files": [],
    }
    folder = put(settings)
    for text in ("{", "[]", '{"revision": "x"}', '{"revision": "x", "files": [{"path": "../x"}]}'):
        (folder / "lock.json").write_text(text)
        with pytest.raises(BadInput, match=r"tiny/lock\.json"):
            catalog_of(settings, tiny=entry)


def test_a_model_published_meanwhile_is_found_and_listed_after_a_refresh(settings: Settings) -> None:
    catalog = catalog_of(settings, tiny=GOOD)
    write_entries(settings.checkpoints, tiny=GOOD, newer=GOOD)
    assert [model.name for model in catalog.of_kind("text")] == ["tiny"]
    assert catalog.get("newer").title == "Tiny"
    write_entries(settings.checkpoints, newer=GOOD, newest=GOOD)
    catalog.refresh()
    assert set(catalog.names) == {"newer", "newest"}
