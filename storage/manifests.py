"""Manifests of pinned artifacts, stored once under the SHA-256 of their content."""

import hashlib
import json

from sqlalchemy.ext.asyncio import AsyncSession

from domain.artifact import Manifest
from domain.refusal import NotFound
from storage.database import Database
from storage.tables import ManifestRow
from storage.upsert import insert_new


async def get(session: AsyncSession, manifest_id: str) -> Manifest:
    """Raises NotFound."""
    row = await session.get(ManifestRow, manifest_id)
    if row is None:
        raise NotFound(f"there is no manifest {manifest_id}")
    return Manifest.model_validate(row.content)


class SqlManifests:
    """Keeps manifests for the activities that make them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, manifest: Manifest) -> str:
        content = manifest.model_dump(mode="json")
        manifest_id = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        async with self._database.transaction() as session:
            await insert_new(session, ManifestRow, {"id": manifest_id, "content": content})
        return manifest_id
