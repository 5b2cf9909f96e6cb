"""Define a team's request for three namespaces, `environments/teams/<team>.yaml`.

It says who the team is, how much it may use, and what its models may call.
"""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from titlebout.spec.errors import SpecError
from titlebout.spec.record import Record

ENVIRONMENTS = ("dev", "staging", "prod")
TEAMS = Path("environments", "teams")
# The names of its namespaces and of their policies' roles begin with it; they have 63 characters
# at most.
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"

EnvironmentName = Literal["dev", "staging", "prod"]
Role = Literal["owners", "data-scientist", "ml-engineer", "releaser", "on-call"]
GroupName = Annotated[
    str, Field(pattern=r"^[^\s,]{1,120}$", description="as the cluster's sign-in calls it")
]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]


class Quota(Record):
    """Limit what the pods of one namespace may request together."""

    cpu: Annotated[int, Field(ge=1, description="cores, as requested")]
    memory: Annotated[
        Quantity, Field(description="as limited; the platform's own parts take 2.5 GiB of it")
    ]
    storage: Annotated[
        Quantity, Field(description="of all volumes; database and object store take 12 GiB of it")
    ]
    pods: int = Field(default=100, ge=10, description="at the same time")


class Egress(Record):
    """Allow training and serving to call an address outside of their namespace.

    Every other address is refused.
    """

    cidr: str = Field(description="IPv4 addresses, such as 10.20.0.0/16")
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        min_length=1, description="TCP"
    )

    @field_validator("cidr")
    @classmethod
    def _require_network(cls, cidr: str) -> str:
        IPv4Network(cidr)
        return cidr


class Team(Record):
    """Describe one team's request, as its YAML file declares it."""

    team: str = Field(
        pattern=NAME_PATTERN,
        description="the namespaces are <team>-dev, <team>-staging and <team>-prod",
    )
    contact: str = Field(min_length=3, description="whom the platform team asks")
    budget: str = Field(min_length=3, description="who pays for it")
    groups: dict[Role, tuple[GroupName, ...]] = Field(
        default={},
        description="the company's groups by role; the groups `<team>:<role>` have it in any case",
    )
    quota: dict[EnvironmentName, Quota] = Field(description="per environment, all three")
    egress: tuple[Egress, ...] = ()
    clients: tuple[Namespace, ...] = Field(
        default=(), description="namespaces from where applications call the models"
    )

    @model_validator(mode="after")
    def _require_every_quota(self) -> Self:
        if missing := [name for name in ENVIRONMENTS if name not in self.quota]:
            raise ValueError(f"quota lacks {' and '.join(missing)}")
        return self


def team_names(project: Path) -> list[str]:
    """Return the names of the teams that requested namespaces, sorted."""
    return sorted(file.stem for file in (project / TEAMS).glob("*.yaml"))


def load_team(project: Path, name: str) -> Team:
    """Read `environments/teams/<name>.yaml`.

    Raise SpecError if it is absent or wrong, or if it names another team.
    """
    path = project / TEAMS / f"{name}.yaml"
    if not path.is_file():
        existing = ", ".join(team_names(project)) or "none"
        raise SpecError(
            str(path),
            expected="the team's request",
            found=f"no such file; teams here: {existing}",
            next_step="see docs/teams.md",
        )
    team = Team.from_yaml(path)
    if team.team != name:
        raise SpecError(
            str(path),
            expected=f"team: {name}, as the file's name says",
            found=f"team: {team.team}",
            next_step="rename one",
        )
    return team
