from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.engines.base import engines
from studio.errors import NotFound
from studio.registry import Registry


class Part:
    name = "one"


class Other:
    name = "one"


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(
        NotFound, match="no engine called 'nope'; choose one of: .*echo, echo_image, echo_speech"
    ):
        engines.lookup("nope")


def test_a_name_is_taken_once() -> None:
    parts: Registry[type[Part]] = Registry("part", "studio.engines")
    parts.register(Part)
    parts.register(Part)  # the same part again, as a reloaded module does
    with pytest.raises(ValueError, match="already a part called 'one'"):
        parts.register(Other)  # type: ignore[arg-type]


def test_built_in_engines_are_found_by_themselves() -> None:
    assert {"echo", "text_llama", "text_transformers", "speech_kokoro", "image_diffusers"} <= set(engines)


def test_threads_that_ask_first_all_see_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "slow_parts"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from studio.registry import Registry\nparts = Registry('part', 'slow_parts')\n"
    )
    for name in ("a", "b"):
        (package / f"{name}.py").write_text(
            f"import time\nfrom slow_parts import parts\ntime.sleep(0.05)\n"
            f"@parts.register\nclass Part{name}:\n    name = {name!r}\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    from slow_parts import parts  # type: ignore[import-not-found]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: list(parts), range(8))) == [["a", "b"]] * 8
