from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.errors import BadInput
from studio.forge.data import Data, inspect_data, read_data


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def pairs(path: Path, count: int) -> Path:
    return jsonl(path, *({"prompt": f"Ask {i}", "answer": f"Answer {i}"} for i in range(count)))


def texts(data: Data) -> list[str]:
    return [one.text for one in data.examples]


def test_pairs_text_tables_and_mapped_columns(tmp_path: Path) -> None:
    data = read_data(pairs(tmp_path / "a.jsonl", 3))
    assert (
        data.shape == "pairs" and data.examples[1].prompt == "Ask 1" and data.examples[1].where == "a.jsonl:2"
    )
    assert read_data(jsonl(tmp_path / "b.jsonl", {"text": "One"})).shape == "text"
    (tmp_path / "c.csv").write_text('q;r\nWhat?;"A; b\nc"\nWho?;Me\n', "utf-8")
    data = read_data(tmp_path / "c.csv", "prompt=q, answer=r")
    assert texts(data) == ["A; b\nc", "Me"] and [one.where for one in data.examples] == ["c.csv:2", "c.csv:4"]
    (tmp_path / "d.tsv").write_text("text\tn\nHello\t1\n", "utf-8")
    assert texts(read_data(tmp_path / "d.tsv")) == ["Hello"]


def test_folders_of_text_and_one_file_of_paragraphs(tmp_path: Path) -> None:
    folder = tmp_path / "prose"
    folder.mkdir()
    (folder / "b.txt").write_text("Second\n\nstill second", "utf-8")
    (folder / "a.md").write_text("First", "utf-8")
    (folder / ".hidden.txt").write_text("no", "utf-8")
    (folder / "link.txt").symlink_to(folder / "a.md")
    assert texts(read_data(folder)) == ["First", "Second\n\nstill second"]
    data = read_data(folder / "b.txt")
    assert [(one.where, one.text) for one in data.examples] == [
        ("b.txt:1", "Second"),
        ("b.txt:3", "still second"),
    ]


def test_pictures_with_captions_beside_them_or_in_a_table(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.txt").write_text("an apple", "utf-8")
    jsonl(
        tmp_path / "metadata.jsonl",
        {"file_name": "b.png", "text": "a boat"},
        {"file_name": "z.png", "text": "?"},
    )
    (tmp_path / "d.png").write_bytes(b"no picture")
    (tmp_path / "d.txt").write_text("dud", "utf-8")
    data = inspect_data(tmp_path)
    assert data.shape == "pictures" and texts(data) == ["an apple", "a boat"]
    told = {problem.where: problem.why for problem in data.problems}
    assert "not in the folder" in told["metadata.jsonl:2"] and "no caption" in told["c.png"]
    assert "not a picture" in told["d.png"]


def test_bad_rows_are_listed_by_line_and_skipped_only_on_request(tmp_path: Path) -> None:
    file = pairs(tmp_path / "a.jsonl", 5)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = b'{"prompt": "caf\xe9", "answer": "x"}\n'  # one line in Latin-1: mixed encodings
    lines[2] = b"{broken\n"
    lines[3] = b"\n"
    lines.append(
        b'{"prompt": "p", "answer": 3}\n{"prompt": "p", "answer": " "}\n[1]\n{"prompt":"a\\u0000","answer":"b"}\n'
    )
    file.write_bytes(b"".join(lines))
    with pytest.raises(
        BadInput, match=r"7 rows of a\.jsonl.*a\.jsonl:2 is not UTF-8 \(byte 0xe9.*skip_bad_rows"
    ):
        read_data(file)
    data = read_data(file, skip_bad_rows=True)
    assert len(data.examples) == 2
    assert [problem.where for problem in data.problems] == [f"a.jsonl:{n}" for n in (2, 3, 4, 6, 7, 8, 9)]
    numbers = data.statistics()
    assert (numbers["examples"], numbers["empty_rows"], numbers["bad_rows"]) == (2, 1, 6)
    assert "a.jsonl:4 is empty" in data.report()


def test_utf_16_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nnaïve\n", "utf-16")
    (tmp_path / "b.csv").write_text("text\nnaïve\n", "utf-8-sig")
    assert texts(read_data(tmp_path / "a.csv")) == texts(read_data(tmp_path / "b.csv")) == ["naïve"]


@pytest.mark.parametrize(
    ("content", "columns", "told"),
    [
        ('{"question": "a", "reply": "b"}\n', "", "it has: question, reply.*prompt=NAME,answer=NAME"),
        ('{"question": "a"}\n', "prompt=question,answer=reply", "no column 'reply'; it has: question"),
        ('{"text": "a"}\n', "words=text", "roles text, prompt, answer, image"),
        ('{"text": "a"}\n', "text", "role=column"),
        ('{"text": "a"}\n', "prompt=text", "does not say which column"),
    ],
)  # fmt: skip
def test_wrong_columns_say_which_there_are(tmp_path: Path, content: str, columns: str, told: str) -> None:
    (tmp_path / "a.jsonl").write_text(content, "utf-8")
    with pytest.raises(BadInput, match=told):
        read_data(tmp_path / "a.jsonl", columns)


def test_empty_sets_and_few_examples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(BadInput, match="no example that can be used"):
        read_data(tmp_path / "empty.jsonl")
    with pytest.raises(BadInput, match="There is no data at"):
        read_data(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="holds no data"):
        read_data(tmp_path / "folder")
    (tmp_path / "a.exe").touch()
    with pytest.raises(BadInput, match="not a kind of data"):
        read_data(tmp_path / "a.exe")
    with pytest.raises(BadInput, match=r"holds one example; .* at least 4"):
        read_data(pairs(tmp_path / "one.jsonl", 1)).split(0)
    same = jsonl(tmp_path / "same.jsonl", *[{"text": "Same"}] * 9)
    with pytest.raises(BadInput, match="holds one example"):
        read_data(same).split(0)


def test_splits_are_by_seed_whole_and_never_part_duplicates(tmp_path: Path) -> None:
    rows = [{"text": f"Text {i % 30}" + " " * (i // 30)} for i in range(40)]
    data = read_data(jsonl(tmp_path / "a.jsonl", *rows))
    assert len(data.duplicates) == 10 and data.duplicates[0] == ("a.jsonl:31", "a.jsonl:1")
    one, again, other = data.split(1), data.split(1), data.split(2)
    assert all((one[name] == again[name]).all() for name in one)
    assert any(list(one[name]) != list(other[name]) for name in one)
    assert sorted(row for part in one.values() for row in part) == list(range(40))
    seen = {name: {texts(data)[row] for row in part} for name, part in one.items()}
    assert (
        not seen["train"] & seen["test"]
        and not seen["train"] & seen["valid"]
        and not seen["valid"] & seen["test"]
    )


def test_the_licence_is_read_and_never_assumed(tmp_path: Path) -> None:
    file = pairs(tmp_path / "a.jsonl", 4)
    assert read_data(file).source is None
    (tmp_path / "a.data.toml").write_text(
        'name = "Mine"\nlicence = "CC-BY-4.0"\nurl = "https://example.org"\n', "utf-8"
    )
    source = read_data(file).source
    assert source is not None and (source.name, source.licence) == ("Mine", "CC-BY-4.0")
    (tmp_path / "a.data.toml").write_text('name = "Mine"\n', "utf-8")
    with pytest.raises(BadInput, match="must say the licence"):
        read_data(file)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one, two = pairs(tmp_path / "a.jsonl", 4), pairs(tmp_path / "b.jsonl", 4)
    assert read_data(one).digest == read_data(two).digest != read_data(pairs(tmp_path / "c.jsonl", 5)).digest


HOSTILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@HOSTILE
@given(raw=st.binary(max_size=300), suffix=st.sampled_from([".jsonl", ".csv", ".tsv", ".txt"]))
def test_any_bytes_give_examples_problems_or_one_sentence(tmp_path: Path, raw: bytes, suffix: str) -> None:
    file = tmp_path / f"any{suffix}"
    file.write_bytes(raw)
    try:
        data = inspect_data(file)
    except BadInput:
        return
    for one in data.examples:
        assert one.text.strip() and one.text.encode("utf-8") and "\0" not in one.text


PLAIN = (
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
    .map(str.strip)
    .filter(bool)
)


@HOSTILE
@given(rows=st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=8))
def test_what_is_written_is_what_is_read(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    rows = [row for row in rows if not {"\ufffe", "\uffff"} & set("".join(row))] or [("a", "b")]
    jsonl(tmp_path / "w.jsonl", *({"prompt": prompt, "answer": answer} for prompt, answer in rows))
    out = io.StringIO()
    csv.writer(out).writerows([("prompt", "answer"), *rows])
    (tmp_path / "w.csv").write_text(out.getvalue(), "utf-8", newline="")
    for name in ("w.jsonl", "w.csv"):
        assert [(one.prompt, one.text) for one in read_data(tmp_path / name).examples] == rows
