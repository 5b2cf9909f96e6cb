"""Compare the records of a laptop with those of a namespace: same commands, same results."""

MODEL = "twin"  # a model of its own: no model that was released before may be its opponent


def test_training_in_a_namespace_gives_what_a_laptop_gives(installed_fork, embedded_fork):
    """The model's digest, every check's outcome and the verdict are the same to the last digit."""
    for fork in (installed_fork, embedded_fork):
        fork.declare_model(MODEL)
    installed_fork.build_images("platform")
    on_cluster, on_laptop = (
        fork.result("train", MODEL, "--env", "prod") for fork in (installed_fork, embedded_fork)
    )
    assert on_cluster["verdict"] == on_laptop["verdict"]
    assert outcomes(on_cluster) == outcomes(on_laptop)
    assert on_cluster["validation"]["model_digest"] == on_laptop["validation"]["model_digest"]


def outcomes(trained):
    """Return each check's outcome without its details: the measured latency is one of them."""
    return {check["name"]: check["passed"] for check in trained["validation"]["checks"]}
