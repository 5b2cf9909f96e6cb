"""Name the objects in a team's namespaces; every chart, policy and command uses these names."""

# On namespaces; policies select by them.
LABEL_TEAM = "titlebout.io/team"
LABEL_ENVIRONMENT = "titlebout.io/environment"
# On pods: serving, mlflow, database, storage, registrar, training, release, batch, monitor.
LABEL_PART = "titlebout.io/part"
# On serving pods; the live Service selects by them.
LABEL_MODEL = "titlebout.io/model"
LABEL_SLOT = "titlebout.io/slot"
# "true" on a model's live Service; the registrar finds it by this.
LABEL_LIVE = "titlebout.io/live"

# k8s/base's priority class: waits for free resources and displaces no other pod.
PRIORITY_WORK = "titlebout-jobs"

# On a slot's Deployment and pods: the whole release id.
ANNOTATION_RELEASE = "titlebout.io/release"
# On the live Service: the slots that traffic may go to, `blue,green`.
ANNOTATION_SWITCHABLE = "titlebout.io/switchable"
# On the live Service: what the releaser says about its own switch, as JSON.
ANNOTATION_CHANGE = "titlebout.io/change"
# On the live Service: the statements before that one, as JSON, for a ledger that is late.
ANNOTATION_EARLIER = "titlebout.io/earlier"
# On the live Service: the change whose bake went well, as JSON.
ANNOTATION_SETTLED = "titlebout.io/settled"

MLFLOW_SERVICE = "mlflow"
MLFLOW_PORT = 5000
STORAGE_SERVICE = "storage"
STORAGE_PORT = 8333  # S3
REGISTRAR_SERVICE = "registrar"
REGISTRAR_PORT = 8080
DATABASE_SERVICE = "database"
# The platform's Services in each namespace. A model's live Service cannot have one of these names.
SERVICES = frozenset({MLFLOW_SERVICE, STORAGE_SERVICE, REGISTRAR_SERVICE, DATABASE_SERVICE})
SERVING_PORT = 8080  # of the pods
SERVICE_PORT = 80  # of the live and the preview Services


def namespace_of(team: str, environment: str) -> str:
    """Return the name of the team's namespace for an environment."""
    return f"{team}-{environment}"


def slot_name(model: str, slot: str) -> str:
    """Return the name of everything that belongs to one slot of a model.

    That is its chart release, Deployment, preview Service and Secret.
    """
    return f"{model}-{slot}"


def user_secret(user: str) -> str:
    """Return the name of the Secret with an MLflow account's `username` and `password`."""
    return f"mlflow-user-{user}"


# Names of Secrets. The keys of each storage Secret are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
# and AWS_ENDPOINT_URL; they differ in what they permit.
STORAGE_SECRET = "storage"  # noqa: S105  reads and writes
STORAGE_SERVING_SECRET = "storage-serving"  # noqa: S105  only writes below inference/
STORAGE_TRAINING_SECRET = "storage-training"  # noqa: S105  reads records, writes below datasets/
STORAGE_READER_SECRET = "storage-prod-reader"  # noqa: S105  in dev: only reads prod's data
LEDGER_SECRET = "ledger"  # noqa: S105  key `url`: the ledger's database
# Prefix of the storage variables on a laptop, where plain AWS_* variables are the cloud's login.
STORAGE_REACHED_PREFIX = "TITLEBOUT_STORE_"
# Prefix of the reader's variables in dev's training: PROD_AWS_ACCESS_KEY_ID and so on.
STORAGE_READER_PREFIX = "PROD_"
