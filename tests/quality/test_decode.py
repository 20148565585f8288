"""Text out of files: the words for the scores, and the text as it was written for people."""

from __future__ import annotations

from pathlib import Path

from studio.quality.decode import read_text, read_written

ARMOUR = (
    "<!-- -----BEGIN C2PA MANIFEST----- data:application/c2pa;base64,AAAA -----END C2PA MANIFEST----- -->\n"
)


def test_as_written_keeps_list_numbers_that_the_scores_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "list.md"
    path.write_text("---\nAIGC: {}\n---\n\n1. First **thing**\n2. Second\n\n" + ARMOUR, "utf-8")
    assert read_written(path, "text/markdown") == "1. First **thing**\n2. Second"
    assert read_text(path, "text/markdown") == "First thing\nSecond"


def test_captions_are_read_without_their_times(tmp_path: Path) -> None:
    srt, vtt = tmp_path / "a.srt", tmp_path / "a.vtt"
    srt.write_text(
        "1\n00:00:00,000 --> 00:00:01,500\nTwo of\nthem came\n\n2\n00:00:02,000 --> 00:00:03,000\n12 more.\n"
    )
    vtt.write_text(
        "WEBVTT\n\n00:00.000 --> 00:01.500\nTwo of\nthem came\n\n00:02.000 --> 00:03.000\n12 more.\n"
    )
    assert [read_text(path, "text/plain") for path in (srt, vtt)] == ["Two of them came 12 more."] * 2
