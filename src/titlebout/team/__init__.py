"""Apply, compare, show and remove a team's namespaces, and find what a namespace lacks."""

from titlebout.team.apply import apply_team
from titlebout.team.doctor import examine
from titlebout.team.plan import plan_team
from titlebout.team.remove import remove_team
from titlebout.team.status import Namespace, team_status

__all__ = [
    "Namespace",
    "apply_team",
    "examine",
    "plan_team",
    "remove_team",
    "team_status",
]
