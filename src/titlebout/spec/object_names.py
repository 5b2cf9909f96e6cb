"""The names by which objects in a team's namespaces know each other: every chart, policy and command uses these."""

LABEL_TEAM, LABEL_ENVIRONMENT = (
    "titlebout.io/team",
    "titlebout.io/environment",
)  # on namespaces; policies select by them
LABEL_PART = "titlebout.io/part"  # on pods: serving, mlflow, database, storage, registrar, training, release, batch, monitor
LABEL_MODEL, LABEL_SLOT = (
    "titlebout.io/model",
    "titlebout.io/slot",
)  # on serving pods; the live Service's selector
LABEL_LIVE = (
    "titlebout.io/live"  # "true" on a model's live Service, by which the registrar finds it
)

PRIORITY_WORK = "titlebout-jobs"  # k8s/base's priority class: waits for room instead of taking it

ANNOTATION_RELEASE = "titlebout.io/release"  # on a slot's Deployment and pods: the whole release id
ANNOTATION_SWITCHABLE = (
    "titlebout.io/switchable"  # on the live Service: the slots that traffic may go to, `blue,green`
)
ANNOTATION_CHANGE = "titlebout.io/change"  # on the live Service: what the releaser says about its own switch, as JSON
ANNOTATION_EARLIER = (
    "titlebout.io/earlier"  # beside it: what was said before, as JSON, for a ledger that is late
)
ANNOTATION_SETTLED = (
    "titlebout.io/settled"  # on the live Service: the change whose bake went well, as JSON
)

MLFLOW_SERVICE, MLFLOW_PORT = "mlflow", 5000
STORAGE_SERVICE, STORAGE_PORT = "storage", 8333  # S3
REGISTRAR_SERVICE, REGISTRAR_PORT = "registrar", 8080
DATABASE_SERVICE = "database"
SERVICES = frozenset(
    {MLFLOW_SERVICE, STORAGE_SERVICE, REGISTRAR_SERVICE, DATABASE_SERVICE}
)  # beside which a model's live Service stands
SERVING_PORT = 8080  # of the pods; the live and the preview Services answer on 80
SERVICE_PORT = 80


def namespace_of(team: str, environment: str) -> str:
    """A team has one namespace per environment."""
    return f"{team}-{environment}"


def slot_name(model: str, slot: str) -> str:
    """Name everything that belongs to one slot of a model: chart release, Deployment, preview Service, Secret."""
    return f"{model}-{slot}"


def user_secret(user: str) -> str:
    """The Secret with an MLflow account's `username` and `password`."""
    return f"mlflow-user-{user}"


STORAGE_SECRET = "storage"  # noqa: S105  a name: keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL; read and write
STORAGE_SERVING_SECRET = "storage-serving"  # noqa: S105  the same keys; may only write below inference/
STORAGE_TRAINING_SECRET = "storage-training"  # noqa: S105  the same keys; reads records, and may only write below datasets/
STORAGE_READER_SECRET = "storage-prod-reader"  # noqa: S105  in dev: the same keys, for prod's data; may only read
STORAGE_REACHED_PREFIX = "TITLEBOUT_STORE_"  # of the variables by which a laptop has it: plain AWS_* are its login to the cloud
STORAGE_READER_PREFIX = (
    "PROD_"  # of the variables by which training in dev has it: PROD_AWS_ACCESS_KEY_ID and so on
)
LEDGER_SECRET = "ledger"  # noqa: S105  key `url`: the ledger's database
