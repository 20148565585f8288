"""Client-supplied names: nothing leads out of its folder, on any system."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.safety.names import safe_join, safe_name


@pytest.mark.parametrize(
    "name", ["photo.png", "Größe 2 (final).jpg", "图片.png", "صورة.png", "👩‍👩‍👧.png", "a", "nullify.txt"]
)
def test_plain_names_pass_unchanged(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".", "dot"),
        ("..", "dot"),
        ("../../x", "dot"),
        ("a/b", "'/'"),
        ("/etc/passwd", "'/'"),
        ("..\\x", "dot"),
        ("a\\b", r"'\\\\'"),
        ("C:x", "':'"),
        ("x:stream", "':'"),
        ("con", "reserved"),
        ("NUL.txt", "reserved"),
        ("Com1.tar.gz", "reserved"),
        ("lpt².png", "reserved"),
        (".htaccess", "dot"),
        ("x.", "dot"),
        ("x ", "space"),
        (" x", "space"),
        ("a\0b", r"U\+0000"),
        ("a\nb", r"U\+000A"),
        ("gnp\u202e.exe", r"U\+202E"),
        ("a\ud800", r"U\+D800"),
        ("what?", r"'\?'"),
        ("ä" * 101, "longer than 200 bytes"),
    ],
)
def test_other_names_are_refused_with_one_sentence(name: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refusal:
        safe_name(name)
    message = str(refusal.value)
    assert message.isprintable() and message.endswith("give it a plain name.")


@given(st.text(st.sampled_from("abc./\\: ~%\0\u202e"), max_size=12) | st.text(max_size=12))
@example("a/../../b")
@example("~/x")
@example("%2e%2e/x")
def test_a_join_stays_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = Path("/srv/uploads")
    try:
        path = safe_join(folder, name)
    except BadInput:
        return
    assert path.resolve().is_relative_to(folder) and path.resolve() != folder


def test_a_link_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "file").symlink_to(tmp_path / "secret" / "x")
    (folder / "real").mkdir()
    (folder / "inner").symlink_to(folder / "real")
    for name in ("link", "link/x", "file"):
        with pytest.raises(BadInput, match="leads out"):
            safe_join(folder, name)
    assert safe_join(folder, "inner/x") == folder / "inner" / "x"
