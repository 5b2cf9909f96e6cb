"""Give a step's pod what it needs on a KFP backend. Under `kfp.local` there is no pod."""

from kfp import kubernetes
from kfp.dsl import PipelineTask

from titlebout.spec import object_names

USER_ID = 1034  # the platform image's; Pod Security `restricted` asks for a number
MEMORY_LIMIT = "3Gi"  # flights trains in 1 GiB
Secrets = dict[str, dict[str, str]]
STORE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
# Made by helm/mlflow: {Secret: {key: variable}}. The step that runs a data team's own code has no
# account on MLflow.
SOURCE_SECRETS: Secrets = {object_names.STORAGE_TRAINING_SECRET: {key: key for key in STORE}}
RELEASER_SECRETS: Secrets = {
    object_names.STORAGE_SECRET: {key: key for key in STORE},
    object_names.user_secret("releaser"): {
        "username": "MLFLOW_TRACKING_USERNAME",
        "password": "MLFLOW_TRACKING_PASSWORD",
    },
}


def configure_pod(task: PipelineTask, *, secrets: Secrets = RELEASER_SECRETS) -> PipelineTask:
    """Give the step the namespace's Secrets as variables, a user and a memory limit.

    It never comes from KFP's cache. The cache keys on parameters and addresses, and the source's
    content may have changed.
    """
    for secret, variables in secrets.items():
        kubernetes.use_secret_as_env(task, secret, variables)
    kubernetes.set_security_context(
        task, run_as_user=USER_ID, run_as_group=USER_ID, run_as_non_root=True
    )
    return (
        task.set_memory_request("512Mi")
        .set_memory_limit(MEMORY_LIMIT)
        .set_cpu_request("100m")
        .set_caching_options(False)
    )


def allow_reading_prod(task: PipelineTask) -> PipelineTask:
    """Give the step prod's data by a credential that may only read.

    Only dev has such a Secret.
    """
    variables = {key: f"{object_names.STORAGE_READER_PREFIX}{key}" for key in STORE}
    return kubernetes.use_secret_as_env(
        task, object_names.STORAGE_READER_SECRET, variables, optional=True
    )
