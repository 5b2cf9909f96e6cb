"""Read what the platform team sets for a chart in an environment, over the commands' values."""

from pathlib import Path
from typing import Any

import yaml

Values = dict[str, Any]


def platform_values(project: Path, environment: str, chart: str) -> Values:
    """Return `environments/<env>/<chart>-values.yaml`, or nothing if there is no such file."""
    path = project / "environments" / environment / f"{chart}-values.yaml"
    return dict(yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def merged(below: Values, above: Values) -> Values:
    """Merge as Helm merges values files. Where both set a value, `above` wins."""
    both = {
        key: merged(below[key], above[key])
        for key in below.keys() & above.keys()
        if isinstance(below[key], dict)
    }
    return {**below, **above, **both}
