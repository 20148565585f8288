"""The library: every finished asset, its file and what is known about it.

Only what carries a credential comes in, so an unsealed file cannot be saved by accident. The file is put
in place first and its row second; whoever sees a row can open its file. Two studios may share one library.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from studio.errors import BadInput, NotFound, SealFailed
from studio.library import codec, search
from studio.library.database import open_engine, reading, use_wal, writing
from studio.library.export import export
from studio.library.files import Shelf, name_of, sealed_digest
from studio.library.fingerprint import fingerprint
from studio.library.health import Health, examine
from studio.library.migrations import migrate
from studio.library.recall import Recall, remember
from studio.library.tables import asset_of, assets, moment_of, row_of, shown
from studio.library.votes import Ballot, Choice
from studio.settings import Settings
from studio.types import Asset, Credential, Job, ModelUse, Scorecard

SHORTEST_PREFIX = 6
MOST_NAMED = 20
LONGEST_NOTE = 10_000
MOST_STARS = 5

# Statements on the way of every asset are built once: building one costs more than running it.
_OF_JOB = select(assets.c.seq).where(assets.c.job_id == bindparam("job"))
_BY_ID = select(*shown).where(assets.c.id == bindparam("id"))
_CLASHES = select(assets.c.id, assets.c.file).where(
    or_(assets.c.id == bindparam("id"), assets.c.seq == bindparam("seq"))
)
_INSERT = assets.insert()


class Library:
    """Opens, and if need be makes or migrates, the library of `settings`.

    Raises BadInput for a database that is damaged, foreign or written by a newer studio, and for a place that
    cannot be written; StorageFull when the disk is full.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = open_engine(settings)
        try:
            migrate(self.engine)
            use_wal(self.engine)
            self.files = Shelf(settings.home / "files")
            self.files.sweep(self._knows)
            self._recall = Recall(self.engine)
            self.ballot = Ballot(self.engine)
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        self.engine.dispose()

    # --- In -------------------------------------------------------------------------------------

    def add(
        self,
        sealed_path: Path,
        *,
        job: Job,
        media_type: str,
        model: ModelUse,
        scorecard: Scorecard,
        credential: Credential,
        parents: tuple[str, ...] = (),
        text: str = "",
    ) -> Asset:
        """Take over the sealed file (it is moved) and remember it; `text` are its words, for the search.

        The same bytes again give the asset that is there. On failure the file is back at `sealed_path`
        and the library as before: SealFailed without a credential, StorageFull, BadInput.
        """
        if not (credential and credential.produce_id and credential.layers and credential.manifest_digest):
            raise SealFailed(f"{sealed_path.name} carries no credential, therefore it was not saved.")
        digest = sealed_digest(sealed_path)
        known = self._by_id(digest) if self.files.holds(digest) else None
        name = known.path.relative_to(self.files.folder).as_posix() if known else name_of(digest, sealed_path)
        asset = known or Asset(
            digest, job.id, job.brief.kind, self.files.path(name), media_type, job.brief, model, scorecard,
            credential, parents, datetime.now(UTC), job.owner,
        )  # fmt: skip
        with self.files.placing(sealed_path, name):
            return asset if known else self._insert(asset, name, text)

    def _insert(self, asset: Asset, name: str, text: str) -> Asset:
        try:
            taken = fingerprint(asset.path, asset.media_type, text)
        except BadInput:  # what cannot be decoded is kept all the same, only not recognised
            taken = None
        row = row_of(asset, file=name, words=search.words_of(asset, text))
        row["remarks"] = search.remarks_of("", False)
        with writing(self.engine) as connection:
            while clashes := connection.execute(_CLASHES, {"id": asset.id, "seq": row["seq"]}).all():
                twin = next((one for one in clashes if one.id == asset.id), None)
                if twin is not None:  # the same bytes, saved by another studio or lost from the disk
                    self.files.rename(name, twin.file)
                    kept = connection.execute(_BY_ID, {"id": asset.id}).mappings().one()
                    return asset_of(kept, self.files.folder)
                row["seq"] += 1
            connection.execute(_INSERT, row)
            if taken is not None:
                remember(connection, row["seq"], taken)
        return replace(asset, created_at=moment_of(row["seq"]))

    # --- Out ------------------------------------------------------------------------------------

    def get(self, asset_id: str) -> Asset:
        """The asset of this id, or of its beginning (6 characters or more). Raises NotFound."""
        found = self._starting(asset_id)
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"Several assets begin with {asset_id!r}; give more of the id.")
        raise NotFound(
            f"There is no asset {asset_id[:64]!r} in the library; `studio library list` shows what is."
        )

    def find(self, key: str) -> Asset | None:
        """The one asset whose id begins with `key`, or whose file carries it as its produce id."""
        found = self._starting(key)
        if len(found) == 1:
            return found[0]
        with reading(self.engine) as connection:
            row = (
                connection.execute(select(*shown).where(assets.c.produce_id == key.lower()))
                .mappings()
                .first()
            )
        return asset_of(row, self.files.folder) if row else None

    def named(self, beginning: str) -> list[Asset]:
        """The assets whose produce id begins with the hex digits that a watermark carries, newest first, at
        most a few: content made twice from one seed carries the same ones."""
        beginning = beginning.lower()
        if len(beginning) < SHORTEST_PREFIX or set(beginning) - set("0123456789abcdef"):
            return []
        near = assets.c.produce_id >= beginning, assets.c.produce_id < beginning + "g"
        statement = select(*shown).where(*near).order_by(assets.c.seq.desc()).limit(MOST_NAMED)
        with reading(self.engine) as connection:
            return [asset_of(row, self.files.folder) for row in connection.execute(statement).mappings()]

    def search(
        self,
        words: str = "",
        *,
        kind: str | None = None,
        model: str | None = None,
        owner: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        favourite: bool | None = None,
        job: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Asset]:
        """Newest first. `words` are plain words in any script; each must begin a word of prompt, text, note
        or model. The filters are those of `search.Query`."""
        query = search.Query(words, kind, model, owner, since, until, favourite, job)
        statement = search.page(query, self.engine.dialect.name, limit, offset)
        if query.hopeless:
            return []
        with reading(self.engine) as connection:
            return [asset_of(row, self.files.folder) for row in connection.execute(statement).mappings()]

    def made(self, job_id: str) -> int:
        """How many assets a job has brought so far."""
        with reading(self.engine) as connection:
            return len(connection.execute(_OF_JOB, {"job": job_id}).all())

    def count(self, words: str = "", **filters: Any) -> int:
        """How many assets `search` would find without a limit; takes the same filters."""
        query = search.Query(words, **filters)
        if query.hopeless:
            return 0
        with reading(self.engine) as connection:
            return int(connection.scalar(search.total(query, self.engine.dialect.name)) or 0)

    def file(self, asset_id: str) -> Path:
        """The sealed file, to be opened or served. Raises NotFound if it is gone from the disk."""
        asset = self.get(asset_id)
        if not asset.path.is_file():
            raise NotFound(
                f"The file of asset {asset.id[:12]} is missing from {self.files.folder}; "
                "restore it from a backup, or replay or delete the asset."
            )
        return asset.path

    def recognise(self, path: Path, media_type: str, text: str = "") -> tuple[Asset, float] | None:
        """The asset that a stripped, re-encoded or cropped file was made from, and the distance: 0 the same,
        1 the most that counts. None if nothing is near enough. `text` are the words of a text, if they are
        known without front matter and credential. Raises BadInput if the file cannot be read."""
        given = fingerprint(path, media_type, text)
        found = self._recall.nearest(given) if given is not None else None
        return (self.get(found[0]), found[1]) if found is not None else None

    def export(self, ids: tuple[str, ...] | list[str], to: Path) -> list[Path]:
        """Copies under readable names in `to`; all of them, or none and an error."""
        return export([self.get(asset_id) for asset_id in ids], to)

    # --- What people add ------------------------------------------------------------------------

    def set_scorecard(self, asset_id: str, scorecard: Scorecard) -> Asset:
        """Scores are taken from the sealed file, so they arrive after it."""
        return self._change(asset_id, scorecard=codec.scorecard_to_json(scorecard))

    def favourite(self, asset_id: str, on: bool = True) -> Asset:
        return self._change(asset_id, favourite=int(on))

    def note(self, asset_id: str, text: str) -> Asset:
        if len(text) > LONGEST_NOTE:
            raise BadInput(f"The note is longer than {LONGEST_NOTE:,} characters; shorten it.")
        return self._change(asset_id, note=text.replace("\x00", "").encode("utf-8", "replace").decode())

    def rate(self, asset_id: str, stars: int) -> Asset:
        if stars not in range(MOST_STARS + 1):
            raise BadInput(f"Stars go from 0 (not rated) to {MOST_STARS}, not {stars}.")
        return self._change(asset_id, stars=stars)

    def vote(self, first: str, second: str, choice: Choice, owner: str = "") -> None:
        """Which of two results of one brief is better; see `Ballot.cast`."""
        self.ballot.cast(self.get(first), self.get(second), choice, owner)

    def delete(self, asset_id: str) -> str:
        """Remove row and file; the sentence that says what was done."""
        asset = self.get(asset_id)
        there = asset.path.is_file()
        name = asset.path.relative_to(self.files.folder).as_posix()
        with self.files.removing(name), writing(self.engine) as connection:
            connection.execute(delete(assets).where(assets.c.id == asset.id))
        return f"Deleted {asset.kind} {asset.id[:12]}" + (
            " and its file." if there else "; its file was already gone."
        )

    def check(self) -> Health:
        """Read every file again and compare it with its id; sweeps what was cut short."""
        self.files.sweep(self._knows)
        with reading(self.engine) as connection:
            rows = {row.id: row.file for row in connection.execute(select(assets.c.id, assets.c.file))}
        return examine(self.files, rows)

    # --- Rows -----------------------------------------------------------------------------------

    def _change(self, asset_id: str, **values: Any) -> Asset:
        asset = self.get(asset_id)
        mine = assets.c.id == asset.id
        with writing(self.engine) as connection:
            connection.execute(update(assets).where(mine).values(**values))
            row = connection.execute(select(*shown).where(mine)).mappings().first()
            if row is None:
                raise NotFound(f"Asset {asset.id[:12]} was deleted just now.")
            if {"note", "favourite"} & set(values):
                remarks = search.remarks_of(row["note"], bool(row["favourite"]))
                connection.execute(update(assets).where(mine).values(remarks=remarks))
        return asset_of(row, self.files.folder)

    def _by_id(self, digest: str) -> Asset | None:
        with reading(self.engine) as connection:
            row = connection.execute(_BY_ID, {"id": digest}).mappings().first()
        return asset_of(row, self.files.folder) if row else None

    def _knows(self, digest: str) -> bool:
        with reading(self.engine) as connection:
            return connection.scalar(select(assets.c.seq).where(assets.c.id == digest)) is not None

    def _starting(self, prefix: str) -> list[Asset]:
        """At most two assets whose id begins with `prefix`."""
        prefix = prefix.strip().lower()
        if len(prefix) < SHORTEST_PREFIX or set(prefix) - set("0123456789abcdef"):
            return []
        near = select(*shown).where(assets.c.id >= prefix, assets.c.id < prefix + "g").limit(2)
        with reading(self.engine) as connection:
            return [asset_of(row, self.files.folder) for row in connection.execute(near).mappings()]
