"""Check everything that must hold before a version is deployed, whatever the Champion is."""

from titlebout.validate.validate_step import validate_version

__all__ = ["validate_version"]
