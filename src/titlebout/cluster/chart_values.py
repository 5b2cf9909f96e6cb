"""What the platform team says about a chart in an environment, over what the commands give it."""

from pathlib import Path
from typing import Any

import yaml

Values = dict[str, Any]


def platform_values(project: Path, environment: str, chart: str) -> Values:
    """`environments/<env>/<chart>-values.yaml`; empty if there is none."""
    path = project / "environments" / environment / f"{chart}-values.yaml"
    return dict(yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def merged(below: Values, above: Values) -> Values:
    """As Helm merges values files; `above` has the last word."""
    both = {
        key: merged(below[key], above[key])
        for key in below.keys() & above.keys()
        if isinstance(below[key], dict)
    }
    return {**below, **above, **both}
