"""The house holds: imports run one way, siblings stay apart, and the doors open without heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"engines", "safety", "provenance", "quality", "library", "forge"}
GROUND = {
    "studio", "types", "errors", "settings", "options", "registry", "catalog", "catalog_file", "formats", "layouts",
    "bounded", "embedding", "weights", "fetch", "hub", "nets", "memory", "pictures", "nsfw", "drawings", "recordings",
}  # fmt: skip
MIDDLE = {
    "brands",
    "templates",
    "companions",
    "jobs",
    "feed",
    "runner",
    "workers",
    "line",
    "previews",
    "requests",
    "uploads",
    "compare",
    "service",
    "sets",
    "evaluation",
    "judging",
    "trainings",
    "trainer",
    "training_queue",
    "taste",
    "publish",
    "proving",
}
DOORS = {"ui", "cli", "api", "campaign", "bench", "__main__", "reference", "parts"}
HEAVY = (
    "torch",
    "gradio",
    "transformers",
    "diffusers",
    "onnxruntime",
    "librosa",
    "scipy",
    "xllamacpp",
    "matplotlib",
)


def modules() -> list[Path]:
    return sorted((ROOT / "studio").rglob("*.py"))


def place_of(path: Path) -> str:
    first = path.relative_to(ROOT / "studio").parts[0]
    return "studio" if first == "__init__.py" else first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Places of this package that a module imports, late imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = (
                [node.module] if node.module != "studio" else [f"studio.{alias.name}" for alias in node.names]
            )
        found |= {(name.split(".") + ["studio"])[1] for name in names if name.split(".")[0] == "studio"}
    return {
        place
        if (ROOT / "studio" / place).exists() or (ROOT / "studio" / f"{place}.py").exists()
        else "studio"
        for place in found
    }


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "studio")))
def test_imports_run_one_way(path: Path) -> None:
    here, used = place_of(path), imports_of(path)
    assert here in ROOMS | GROUND | MIDDLE | DOORS, f"{here} has no place in the house; say where it belongs"
    if here in ROOMS:
        assert used <= GROUND | {here}, f"a room imports {used - GROUND - {here}}"
    elif here in GROUND:
        assert used <= GROUND, f"the ground imports {used - GROUND}"
    elif here in MIDDLE:
        assert not used & DOORS, f"{here} imports a door: {used & DOORS}"


def test_the_nouns_need_the_standard_library_only() -> None:
    for name in ("types", "errors"):
        tree = ast.parse((ROOT / "studio" / f"{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert (module or "").split(".")[0] in sys.stdlib_module_names


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_studio_loads_nothing_heavy() -> None:
    assert loaded_by("import studio") == set()


def test_asking_the_door_for_help_loads_nothing_heavy() -> None:
    code = "import runpy\nsys.argv = ['app.py', '--help']\ntry: runpy.run_path('app.py', run_name='__main__')\nexcept SystemExit: pass"
    assert loaded_by(code) == set()


def test_opening_the_page_loads_no_model_library() -> None:
    code = (
        "import tempfile\nfrom studio.service import Studio\nfrom studio.settings import Settings\n"
        "from studio.ui.app import application\n"
        "if __name__ == '__main__':\n"
        "  with tempfile.TemporaryDirectory() as home:\n"
        "    studio = Studio(Settings.read({}, home=home))\n    application(studio)\n"
    )
    assert (
        loaded_by(code) & {"torch", "transformers", "diffusers", "onnxruntime", "xllamacpp", "librosa"}
        == set()
    )


# Not on every system, so asked for where they are used.
NOT_EVERYWHERE = {"resource", "sqlite3"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "studio")))
def test_only_what_is_heavy_is_imported_late(path: Path) -> None:
    """Late imports keep the doors quick; for the standard library they would only hide what a module uses."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    late = {
        name.split(".")[0]
        for function in functions
        for node in ast.walk(function)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not (late & set(sys.stdlib_module_names)) - NOT_EVERYWHERE
