"""What the charts' variables come to, and what a missing one says."""

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
def tell(monkeypatch):
    """Set these variables, and none else that a chart sets."""

    def only(variables):
        for name in {*REGISTRAR, *MLFLOW, "TITLEBOUT_BUCKETS", "TITLEBOUT_ACCESS"}:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return only


def test_the_registrar_reads_each_of_its_variables(tell):
    """The port is a number."""
    tell(REGISTRAR)
    settings = RegistrarSettings.read()
    assert (settings.mlflow, settings.user, settings.port) == (
        "http://mlflow:5000",
        "releaser",
        8080,
    )


@pytest.mark.parametrize("name", REGISTRAR)
def test_a_missing_variable_is_named_and_no_password_shown(tell, name):
    """The error and its whole traceback end in the pod's log."""
    tell({other: value for other, value in REGISTRAR.items() if other != name})
    with pytest.raises(SpecError, match=name) as missing:
        RegistrarSettings.read()
    assert "secret-of" not in str(missing.getrepr(showlocals=False))


def test_a_wrong_value_is_named_and_not_shown(tell):
    """It may be a password that was given for something else."""
    tell(REGISTRAR | {"TITLEBOUT_PORT": "secret-of-another"})
    with pytest.raises(
        SpecError, match=r"TITLEBOUT_PORT: Input should be a valid integer"
    ) as wrong:
        RegistrarSettings.read()
    assert "secret-of-another" not in str(wrong.value)


def test_values_given_in_code_win_over_variables(tell):
    """Tests and tools make settings of their own."""
    tell(REGISTRAR)
    given = RegistrarSettings.read().model_copy(update={"mlflow": "http://other"})
    assert given.mlflow == "http://other"
    fields = dict(RegistrarSettings.read()) | {"mlflow": "http://here"}
    assert RegistrarSettings(**fields).mlflow == "http://here"


def test_mlflow_s_pods_read_lists_and_rights(tell):
    """Buckets stand apart by spaces, rights are JSON, and both may be absent."""
    tell(MLFLOW)
    bare = PodSettings.read()
    assert (bare.admin, bare.ledger, bare.buckets, bare.access) == (None, None, (), {})
    tell(MLFLOW | {"TITLEBOUT_BUCKETS": "mlflow titlebout", "TITLEBOUT_ACCESS": '{"ada": "edit"}'})
    told = PodSettings.read()
    assert (told.buckets, told.access) == (("mlflow", "titlebout"), {"ada": "edit"})


@pytest.mark.parametrize(
    ("access", "found"),
    [('{"ada": "own"}', "Input should be 'read' or 'edit'"), ("no JSON", 'field "access"')],
)
def test_rights_that_are_none_are_refused(tell, access, found):
    """Before an account is made by them."""
    tell(MLFLOW | {"TITLEBOUT_ACCESS": access})
    with pytest.raises(SpecError, match=found):
        PodSettings.read()
