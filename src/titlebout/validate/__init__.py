"""Everything that must hold before a version may be deployed, whatever the Champion does."""

from titlebout.validate.validate_step import validate_version

__all__ = ["validate_version"]
