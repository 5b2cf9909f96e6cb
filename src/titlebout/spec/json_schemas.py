"""Write the published JSON Schemas.

Editors use them to complete and check model.yaml, environment.yaml and the teams' requests.
"""

import json
from pathlib import Path

from titlebout.spec import Environment, ModelSpec, Record, Team

SCHEMAS: dict[str, type[Record]] = {
    "model.schema.json": ModelSpec,
    "environment.schema.json": Environment,
    "team.schema.json": Team,
}


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas and return their files. The same spec always gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, record in SCHEMAS.items():
        (folder / file).write_text(
            json.dumps(record.model_json_schema(), indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
    return [folder / file for file in SCHEMAS]
