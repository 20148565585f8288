"""Policy files: those that ship, and what a wrong one is told."""

import pytest

from studio.errors import BadInput, NotFound
from studio.provenance.policy import DEFAULT_POLICY, policies, read_policy
from studio.settings import Settings

SHIPPED = Settings.read({})


def test_the_shipped_policies_can_be_read():
    assert policies(SHIPPED) == ["cn", "eu", "eu-disclosed", "minimal"]
    for name in policies(SHIPPED):
        policy = read_policy(name, SHIPPED)
        assert policy.name == name and policy.made_for and policy.iptc and policy.licence


def test_the_default_is_the_strictest_that_changes_nothing_visible():
    default = read_policy(DEFAULT_POLICY, SHIPPED)
    assert SHIPPED.policy == DEFAULT_POLICY
    assert not default.visible_picture and not default.visible_text and default.audible_sound == "none"
    hidden = ("gb45438", "iptc", "prompt_information", "licence", "mark")
    assert all(getattr(default, switch) for switch in hidden)


def test_the_chinese_policy_asks_for_what_clause_5_asks_for():
    policy = read_policy("cn", SHIPPED)
    assert "AI" in policy.wording and "生成" in policy.wording
    assert policy.visible_picture and policy.visible_text and policy.audible_sound == "rhythm"
    assert policy.glyph_height >= 0.05


def test_the_disclosing_policy_hides_nothing_and_is_the_default_otherwise():
    default, disclosed = (read_policy(name, SHIPPED) for name in ("eu", "eu-disclosed"))
    assert disclosed.visible_picture and disclosed.visible_text and disclosed.audible_sound == "spoken"
    assert "AI" in disclosed.wording
    for switch in ("gb45438", "iptc", "prompt_information", "licence", "mark", "mark_strength"):
        assert getattr(disclosed, switch) == getattr(default, switch)


@pytest.mark.parametrize("name", ["de", "", "../policies/eu", "eu.toml", "EU"])
def test_unknown_names_list_the_valid_ones(name):
    with pytest.raises(NotFound, match="cn, eu, eu-disclosed, minimal"):
        read_policy(name, SHIPPED)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("mark = true\n", "", "mark"),
        ("mark = true", "mark = true\nmagic = 1", "magic"),
        ("gb45438 = true", 'gb45438 = "yes"', "gb45438"),
        ('corner = "bottom-right"', 'corner = "middle"', "corner"),
        ("glyph_height = 0.05", "glyph_height = 0.9", "glyph_height"),
        ('wording = "AI-generated"', 'wording = " "', "wording"),
        ("mark = true", "mark = ", "cannot be read"),
        ("mark_strength = 1.0", "mark_strength = 9.0", "mark_strength"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path, old, new, named):
    text = (SHIPPED.assets / "policies" / "eu.toml").read_text("utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadInput, match=named):
        read_policy("mine", Settings.read({}, assets=tmp_path))
