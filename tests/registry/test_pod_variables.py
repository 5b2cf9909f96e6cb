"""Read the charts' variables, and name a missing one."""

import pytest

from titlebout.registrar.settings import RegistrarSettings
from titlebout.registry.pod import PodSettings
from titlebout.spec import SpecError

REGISTRAR = {
    "TITLEBOUT_NAMESPACE": "ring-prod",
    "TITLEBOUT_ENVIRONMENT": "prod",
    "TITLEBOUT_LEDGER": "postgresql://ledger:secret-of-the-ledger@database/ledger",
    "TITLEBOUT_STORAGE": "s3://titlebout",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "MLFLOW_TRACKING_USERNAME": "releaser",
    "MLFLOW_TRACKING_PASSWORD": "secret-of-the-releaser",
    "TITLEBOUT_PORT": "8080",
}
MLFLOW = {
    "TITLEBOUT_ENVIRONMENT": "prod",
    "TITLEBOUT_MLFLOW_DATABASE": "postgresql://mlflow@database/mlflow",
    "TITLEBOUT_MLFLOW_ACCOUNTS": "postgresql://mlflow@database/accounts",
    "TITLEBOUT_MLFLOW_ARTIFACTS": "s3://mlflow",
}


@pytest.fixture
def set_variables(monkeypatch):
    """Set these variables, and no other that a chart sets."""

    def only(variables):
        for name in {*REGISTRAR, *MLFLOW, "TITLEBOUT_BUCKETS", "TITLEBOUT_ACCESS"}:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return only


def test_the_registrar_reads_each_of_its_variables(set_variables):
    """Read every variable; the port becomes a number."""
    set_variables(REGISTRAR)
    settings = RegistrarSettings.read()
    assert (settings.mlflow, settings.user, settings.port) == (
        "http://mlflow:5000",
        "releaser",
        8080,
    )


@pytest.mark.parametrize("name", REGISTRAR)
def test_a_missing_variable_is_named_and_no_password_shown(set_variables, name):
    """Name the missing variable, and show no password in the error or its traceback.

    Both end in the pod's log.
    """
    set_variables({other: value for other, value in REGISTRAR.items() if other != name})
    with pytest.raises(SpecError, match=name) as missing:
        RegistrarSettings.read()
    assert "secret-of" not in str(missing.getrepr(showlocals=False))


def test_a_wrong_value_is_named_and_not_shown(set_variables):
    """Name the variable, and do not show its value: it may be a password."""
    set_variables(REGISTRAR | {"TITLEBOUT_PORT": "secret-of-another"})
    with pytest.raises(
        SpecError, match=r"TITLEBOUT_PORT: Input should be a valid integer"
    ) as wrong:
        RegistrarSettings.read()
    assert "secret-of-another" not in str(wrong.value)


def test_values_given_in_code_win_over_variables(set_variables):
    """Use a value that code gives before the variable's, for tests and tools."""
    set_variables(REGISTRAR)
    given = RegistrarSettings.read().model_copy(update={"mlflow": "http://other"})
    assert given.mlflow == "http://other"
    fields = dict(RegistrarSettings.read()) | {"mlflow": "http://here"}
    assert RegistrarSettings(**fields).mlflow == "http://here"


def test_mlflow_s_pods_read_lists_and_rights(set_variables):
    """Read buckets separated by spaces and rights as JSON; both may be absent."""
    set_variables(MLFLOW)
    bare = PodSettings.read()
    assert (bare.admin, bare.ledger, bare.buckets, bare.access) == (None, None, (), {})
    set_variables(
        MLFLOW | {"TITLEBOUT_BUCKETS": "mlflow titlebout", "TITLEBOUT_ACCESS": '{"ada": "edit"}'}
    )
    full = PodSettings.read()
    assert (full.buckets, full.access) == (("mlflow", "titlebout"), {"ada": "edit"})


@pytest.mark.parametrize(
    ("access", "found"),
    [('{"ada": "own"}', "Input should be 'read' or 'edit'"), ("no JSON", 'field "access"')],
)
def test_rights_that_are_none_are_refused(set_variables, access, found):
    """Refuse unknown rights before an account is made with them."""
    set_variables(MLFLOW | {"TITLEBOUT_ACCESS": access})
    with pytest.raises(SpecError, match=found):
        PodSettings.read()
