"""Teams: their namespaces in every environment, brought, compared, looked at and given up; and what a namespace still lacks."""

from titlebout.team.apply import apply_team

__all__ = ["apply_team"]
