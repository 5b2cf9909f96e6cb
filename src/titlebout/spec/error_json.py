"""Turn an error of the family into JSON and back, so that it leaves its process as itself.

An error has its class, named with all its base classes, and its fields. The reader takes the first
class that it knows. So an error of a newer version comes back as its nearest known base.
"""

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from titlebout.spec.errors import TitleboutError, rebuild_error

PACKAGE = "titlebout"  # a class is looked for in loaded modules and in modules of this package


def error_to_json(error: TitleboutError) -> dict[str, Any]:
    """Return the error's classes, its own first, and its fields.

    A field that JSON cannot hold becomes its text.
    """
    family = [kind for kind in type(error).__mro__ if issubclass(kind, TitleboutError)]
    return {
        "kinds": [f"{kind.__module__}:{kind.__qualname__}" for kind in family],
        "fields": json.loads(json.dumps(error.fields, default=str)),
    }


def error_from_json(found: Mapping[str, Any]) -> TitleboutError:
    """Return the error that `error_to_json` described."""
    known = (kind for name in found["kinds"] if (kind := _find_class(name)) is not None)
    return rebuild_error(next(known, TitleboutError), found["fields"])


def _find_class(name: str) -> type[TitleboutError] | None:
    """Return the class with this name, `module:Class`, or None if this code does not have it."""
    module, _, path = name.partition(":")
    found: Any = _find_module(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, TitleboutError) else None


def _find_module(name: str) -> ModuleType | None:
    if name in sys.modules or name.partition(".")[0] != PACKAGE:
        return sys.modules.get(name)
    try:
        return import_module(name)
    except ImportError:  # the error comes from another version, which has more modules
        return None
