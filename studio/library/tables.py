"""The tables as queries see them; migrations.py is what makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    column,
    table,
)

from studio.library import codec
from studio.types import Asset

metadata = MetaData()

assets = Table(
    "assets",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("id", String),
    Column("produce_id", String),
    Column("job_id", String),
    Column("owner", String),
    Column("kind", String),
    Column("model_id", String),
    Column("favourite", Integer),
    Column("stars", Integer),
    Column("media_type", String),
    Column("file", String),
    Column("note", String),
    Column("brief", String),
    Column("model", String),
    Column("scorecard", String),
    Column("credential", String),
    Column("parents", String),
    Column("words", String),
    Column("remarks", String),
)
shown = [c for c in assets.c if c.name not in ("words", "remarks")]
"""The columns an `Asset` is read from."""

votes = Table(
    "votes",
    metadata,
    Column("owner", String, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("second_seq", BigInteger, primary_key=True),
    Column("choice", String),
    Column("at", Float),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("medium", String),
    Column("mark", LargeBinary),
    Column("thumb", LargeBinary),
)

assets_fts = table("assets_fts", column("rowid"), column("assets_fts"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def seq_of(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is taken as UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(seq: int) -> datetime:
    return _EPOCH + seq * _MICROSECOND


def asset_of(row: RowMapping, files: Path) -> Asset:
    """The asset of one row of `shown`; raises BadInput if the row is damaged."""
    return Asset(
        id=row["id"],
        job_id=row["job_id"],
        kind=row["kind"],
        path=files / row["file"],
        media_type=row["media_type"],
        brief=codec.brief_from_json(row["brief"]),
        model=codec.model_from_json(row["model"]),
        scorecard=codec.scorecard_from_json(row["scorecard"]),
        credential=codec.credential_from_json(row["credential"]),
        parents=codec.from_json(tuple[str, ...], row["parents"]),
        created_at=moment_of(row["seq"]),
        owner=row["owner"],
        favourite=bool(row["favourite"]),
        note=row["note"],
        stars=row["stars"],
    )


def row_of(asset: Asset, *, file: str, words: str) -> dict[str, Any]:
    """The row of an asset; `file` is its name on the shelf, `words` its search tokens."""
    return {
        "seq": seq_of(asset.created_at),
        "id": asset.id,
        "produce_id": asset.credential.produce_id,
        "job_id": asset.job_id,
        "owner": asset.owner,
        "kind": asset.kind,
        "model_id": asset.model.id,
        "favourite": int(asset.favourite),
        "stars": asset.stars,
        "media_type": asset.media_type,
        "file": file,
        "note": asset.note,
        "brief": codec.brief_to_json(asset.brief),
        "model": codec.model_to_json(asset.model),
        "scorecard": codec.scorecard_to_json(asset.scorecard),
        "credential": codec.credential_to_json(asset.credential),
        "parents": codec.to_json(list(asset.parents)),
        "words": words,
        "remarks": "",
    }
