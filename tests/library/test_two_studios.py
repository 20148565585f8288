"""Two processes on one library at once: nothing lost, nothing twice."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studio.library import Library
from studio.settings import Settings

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from library_nouns import brief, credential, job, model, scorecard
from studio.library import Library
from studio.settings import Settings
from studio.types import Scorecard

home, name = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
library = Library(Settings(home=home))
for number in range(60):
    for content in (f"{name} {number}", f"shared {number}"):
        sealed = home.parent / f"{name}.txt"
        sealed.write_text(content)
        asset = library.add(sealed, job=job(brief(f"tea {name} {number}")), media_type="text/plain", model=model(),
                            scorecard=Scorecard(), credential=credential())
        library.set_scorecard(asset.id, scorecard())
        library.note(asset.id, f"noted by {name}")
    assert library.search(name, limit=1)
library.close()
"""


def test_two_processes_open_a_new_library_at_once_and_write(settings: Settings) -> None:
    command = [sys.executable, "-c", WRITER, str(settings.home)]
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([*command, name, here], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in ("ann", "bob")
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert (writer.returncode, errors) == (0, "")
    library = Library(settings)
    assert library.count() == 3 * 60 and library.count("noted") == 3 * 60
    assert library.check().sound and list(library.files.pending.iterdir()) == []
    assert all(asset.scorecard.scores for asset in library.search(limit=1000))
    library.close()


def test_many_threads_share_one_library(library: Library, keep) -> None:  # type: ignore[no-untyped-def]
    def work(number: int) -> str:
        asset = keep(f"tea {number}")
        library.favourite(asset.id)
        library.search("tea", favourite=True, limit=5)
        return asset.id

    with ThreadPoolExecutor(12) as pool:
        ids = list(pool.map(work, range(120)))
    assert {asset.id for asset in library.search("tea", favourite=True, limit=1000)} == set(ids)


def test_reading_does_not_wait_for_a_writer(library: Library, keep) -> None:  # type: ignore[no-untyped-def]
    asset = keep("tea")
    with library.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE assets SET stars = 5")
        assert library.get(asset.id).stars == 0 and library.search("tea") == [asset]
    assert library.get(asset.id).stars == 5
