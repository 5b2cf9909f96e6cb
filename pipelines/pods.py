"""What a step's pod gets on a KFP backend; under `kfp.local` there is no pod, and nothing of it happens."""

from kfp import kubernetes
from kfp.dsl import PipelineTask

from titlebout.spec import object_names

USER = 1034  # the platform image's; Pod Security `restricted` wants it said
MEMORY_LIMIT = "3Gi"  # flights trains in 1 GiB
Secrets = dict[str, dict[str, str]]
STORE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
# Made by helm/mlflow: {Secret: {key: variable}}. The step that runs a data team's own code has no account on MLflow.
SOURCE_SECRETS: Secrets = {object_names.STORAGE_TRAINING_SECRET: {key: key for key in STORE}}
SECRETS: Secrets = {
    object_names.STORAGE_SECRET: {key: key for key in STORE},
    object_names.user_secret("releaser"): {
        "username": "MLFLOW_TRACKING_USERNAME",
        "password": "MLFLOW_TRACKING_PASSWORD",
    },
}


def in_its_namespace(task: PipelineTask, *, secrets: Secrets = SECRETS) -> PipelineTask:
    """The namespace's Secrets as variables, a user, a memory limit; never from KFP's cache.

    The cache keys on parameters and addresses, and the source's content may have changed.
    """
    for secret, variables in secrets.items():
        kubernetes.use_secret_as_env(task, secret, variables)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    return (
        task.set_memory_request("512Mi")
        .set_memory_limit(MEMORY_LIMIT)
        .set_cpu_request("100m")
        .set_caching_options(False)
    )


def reading_prod(task: PipelineTask) -> PipelineTask:
    """In dev, prod's data by a credential that may only read; elsewhere there is no such Secret."""
    variables = {key: f"{object_names.STORAGE_READER_PREFIX}{key}" for key in STORE}
    return kubernetes.use_secret_as_env(
        task, object_names.STORAGE_READER_SECRET, variables, optional=True
    )
