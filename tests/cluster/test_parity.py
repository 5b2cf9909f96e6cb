"""One pipeline, two substrates: the same commands give the same records, digests and metrics on a laptop and in a namespace."""

import json


def test_training_in_a_namespace_gives_what_a_laptop_gives(installed_fork, embedded_fork):
    """Same table, same code: the model's digest, its validation and its verdict's evidence are the same to the last digit."""
    there, here = (fork.result("train", "cancer", "--env", "prod") for fork in (installed_fork, embedded_fork))
    for part in ("chosen", "validation"):
        assert without_version(there[part]) == without_version(here[part])
    assert json.dumps(there["verdict"], sort_keys=True) == json.dumps(here["verdict"], sort_keys=True)


def without_version(part):
    """Each server counts its own."""
    return {name: value for name, value in part.items() if name != "version"} if isinstance(part, dict) else part
