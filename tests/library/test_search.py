"""Any script, any filter, newest first; hostile queries are plain words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from studio.errors import BadInput
from studio.library import Library
from studio.library.search import Query, page
from studio.types import Asset

Keep = Callable[..., Asset]


@pytest.mark.parametrize(
    ("prompt", "queries"),
    [
        ("A red-hot teapot", ["red", "TEAPOT", "teap", "red-hot", "hot red", "a teapot"]),
        ("红色的茶壶广告", ["茶壶", "红", "色的茶", "红色的茶壶广告", "广告 茶壶"]),
        ("赤いティーポットの広告", ["ティーポット", "ﾃｨｰﾎﾟｯﾄ", "広告", "赤い"]),
        ("빨간 찻주전자를 광고", ["찻주전자", "광고"]),
        ("إبريق شاي أحمر", ["شاي", "احمر", "ابريق"]),
        ("קומקום אדום", ["אדום", "\u202bקומקום\u202c"]),
        ("กาน้ำชาสีแดง", ["น้ำชา", "แดง"]),
        ("लाल चायदानी", ["चायदानी", "लाल"]),
        ("Une théière brûlante", ["theiere", "BRÛLANTE", "brul"]),
        ("launch 🚀🔥 now 👩‍🚀", ["🚀", "🔥", "🚀🔥", "👩‍🚀"]),
    ],
)
def test_any_script_is_found(library: Library, keep: Keep, prompt: str, queries: list[str]) -> None:
    keep("something else entirely 别的 别 の 다른 🙂")
    asset = keep(prompt)
    for query in queries:
        assert library.search(query) == [asset], query
        assert library.count(query) == 1, query


def test_text_note_model_template_and_brand_are_searched(library: Library, keep: Keep) -> None:
    asset = keep("x", text="Steam rises", model_id="kokoro-82m", template="press_note", brand="Brew & Co")
    library.note(asset.id, "for the fair")
    noted = library.get(asset.id)
    for query in ("steam", "fair", "kokoro", "kokoro-82m", "press_note", "Brew & Co", "steam fair kokoro"):
        assert library.search(query) == [noted], query
    library.note(asset.id, "")
    assert library.search("fair") == []


@pytest.mark.parametrize(
    "query",
    ['"', "'", "*", "te*", "(", ")", "a AND", "NOT", "teapot OR", "words:x", "NEAR(a b)", "-x", "^x", "{a}", "%", "_",
     "\x00", "\x00teapot", "'; DROP TABLE assets; --", "owner=ann", "\ud800", "🔥" * 5000, "x" * 100_000,
     "( " * 5000, "\\", "a\x00b", "x y z " * 2000, "\n"],
)  # fmt: skip
def test_hostile_queries_are_plain_words(library: Library, keep: Keep, query: str) -> None:
    asset = keep("a red teapot")
    found = library.search(query)
    assert found in ([], [asset]) and library.count(query) == len(found)
    assert library.search("teapot") == [asset]


def test_operators_match_only_as_words(library: Library, keep: Keep) -> None:
    plain, spoken = keep("salt pepper"), keep("salt OR pepper, NOT sugar")
    assert library.search("salt OR pepper") == [spoken]
    assert library.search("NOT sugar") == [spoken]
    assert library.search('"salt" pepper*') == [spoken, plain]
    assert library.search('"*()') == [] and library.count('"*()') == 0
    assert library.search(" \x00\n") == [spoken, plain]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=30))
def test_whatever_was_written_is_found_by_itself(library: Library, keep: Keep, prompt: str) -> None:
    asset = keep(prompt)
    query = Query(prompt)
    if query.asks_words and not query.hopeless:
        assert asset in library.search(prompt, limit=1000)
    library.delete(asset.id)


def test_filters_with_and_without_words(library: Library, keep: Keep) -> None:
    one = keep("tea one", owner="ann", kind="image", model_id="m1", job_id="j1")
    two = keep("tea two", owner="bob", kind="image", model_id="m2", job_id="j2")
    three = library.favourite(keep("tea three", owner="ann", kind="text", model_id="m1", job_id="j1").id)
    for words in ("", "tea"):
        for filters, expected in [
            ({}, [three, two, one]),
            ({"kind": "image"}, [two, one]),
            ({"owner": "ann"}, [three, one]),
            ({"owner": "ann", "kind": "image"}, [one]),
            ({"owner": "an"}, []),
            ({"model": "m1", "kind": "text"}, [three]),
            ({"job": "j1"}, [three, one]),
            ({"favourite": True}, [three]),
            ({"favourite": False}, [two, one]),
            ({"since": two.created_at}, [three, two]),
            ({"until": two.created_at}, [two, one]),
            ({"since": two.created_at, "until": two.created_at.replace(tzinfo=None)}, [two]),
            ({"since": three.created_at + timedelta(days=1)}, []),
            ({"since": datetime.min, "until": datetime.max}, [three, two, one]),
            ({"since": datetime.min.replace(tzinfo=UTC), "owner": "bob"}, [two]),
        ]:
            assert library.search(words, **filters) == expected, (words, filters)
            assert library.count(words, **filters) == len(expected), (words, filters)


def test_pages_join_without_gap_or_overlap(library: Library, keep: Keep) -> None:
    kept = [keep(f"tea {n}") for n in range(7)][::-1]
    for words in ("", "tea"):
        pages = [library.search(words, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert sum(pages, []) == kept and [len(p) for p in pages] == [3, 3, 1, 0]
        assert library.search(words, limit=0) == [] and library.search(words, limit=10**30) == kept
    for wrong in ({"limit": -1}, {"offset": -1}):
        with pytest.raises(BadInput, match="0 or more"):
            library.search(**wrong)


def test_an_unknown_kind_lists_the_valid_ones(library: Library) -> None:
    for ask in (library.search, library.count):
        with pytest.raises(BadInput, match="choose one of: text, image, speech, music, video"):
            ask(kind="poem")


@pytest.mark.parametrize(
    ("query", "plan"),
    [
        (Query(), "SCAN assets"),
        (Query(owner="ann"), "SEARCH assets USING INDEX assets_owner (owner=?)"),
        (
            Query(owner="ann", kind="image"),
            "SEARCH assets USING INDEX assets_owner_kind (owner=? AND kind=?)",
        ),
        (Query(kind="image"), "SEARCH assets USING INDEX assets_kind (kind=?)"),
        (Query(model="m"), "SEARCH assets USING INDEX assets_model (model_id=?)"),
        (Query(job="j"), "SEARCH assets USING INDEX assets_job (job_id=?)"),
        (Query(favourite=True), "SEARCH assets USING INDEX assets_favourite (favourite=?)"),
        (Query(since=datetime.now(UTC)), "SEARCH assets USING INTEGER PRIMARY KEY (rowid>?)"),
        (Query("tea", owner="ann"), "SCAN assets_fts VIRTUAL TABLE INDEX"),
    ],
)
def test_common_questions_use_an_index_and_sort_nothing(
    library: Library, keep: Keep, query: Query, plan: str
) -> None:
    keep()
    statement = page(query, "sqlite", 50, 0).compile(
        library.engine, compile_kwargs={"render_postcompile": True}
    )
    with library.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(statement.params.values()))
        steps = [row[3] for row in rows]
    assert any(step.startswith(plan) for step in steps), steps
    if not query.words:
        assert not any("TEMP B-TREE" in step for step in steps), steps


def test_the_plain_comparison_of_other_databases_agrees(library: Library, keep: Keep) -> None:
    kept = [
        keep(prompt)
        for prompt in ("A red-hot teapot", "红色的茶壶", "salt OR pepper", "50% off_now 🔥", "a", "ab")
    ]
    kept[0] = library.note(kept[0].id, "spring fair")
    for words in (
        "red",
        "teap",
        "t",
        "茶壶",
        "色茶",
        "salt OR",
        "50%",
        "off_now",
        "🔥",
        "a",
        "spring fair",
        "fair red",
    ):
        statement = page(Query(words), "postgresql", 50, 0)
        with library.engine.connect() as connection:
            found = [row.id for row in connection.execute(statement)]
        assert found == [asset.id for asset in library.search(words)], words


def test_the_index_is_sound_after_every_kind_of_change(library: Library, keep: Keep) -> None:
    assets = [keep(f"tea {n}") for n in range(5)]
    library.note(assets[0].id, "a note")
    library.favourite(assets[0].id)
    library.favourite(assets[0].id, False)
    library.delete(assets[1].id)
    with library.engine.begin() as connection:
        connection.execute(text("INSERT INTO assets_fts (assets_fts, rank) VALUES ('integrity-check', 1)"))
