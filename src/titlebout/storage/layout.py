"""Name the path of each kind of record and data in an environment's storage.

| path                                     | content                                          |
|------------------------------------------|--------------------------------------------------|
| `configurations/<digest>.json`           | model.yaml as a version was trained by           |
| `datasets/<digest>/record.json`          | the record of a frozen dataset                   |
| `datasets/<digest>/<part>.parquet`       | the rows of a part                               |
| `datasets/<digest>/<part>.hashes.parquet`| what tells its rows apart                        |
| `drift/<model>/<digest>.json`, `.html`   | a drift report and its page                      |
| `inference/<model>/date=<day>/*.parquet` | rows that were predicted, by day of arrival      |
| `labels/<model>/*.parquet`               | labels that were given to predicted rows         |
| `ledger/<model>.json`                    | the anchor: the end of a ledger's chain          |
| `packages/<digest>/`                     | a served package (embedded mode)                 |
| `releases/<id>.json`                     | the record of a release                          |
| `tuned-on/<digest>.json`                 | which rows settings were tuned on                |
| `verdicts/<digest>.json`                 | a verdict                                        |
| `verdicts/<digest>.case.json`            | the gate's input, from which it is reached again |

Each function returns the parts of a path below the storage's root, as `Storage` takes them. The
credentials that the mlflow chart makes (helm/mlflow) name `datasets` and `inference`, too.
"""

Parts = tuple[str, ...]

DATASETS = "datasets"
DRIFT = "drift"
LEDGER = "ledger"
RELEASES = "releases"
VERDICTS = "verdicts"


def configuration(digest: str) -> Parts:
    """Return the path of the model.yaml that versions were trained by."""
    return "configurations", f"{digest}.json"


def dataset(digest: str) -> Parts:
    """Return the folder of a frozen dataset."""
    return DATASETS, digest


def dataset_record(digest: str) -> Parts:
    """Return the path of a dataset's record."""
    return *dataset(digest), "record.json"


def dataset_rows(digest: str, part: str) -> Parts:
    """Return the path of the rows of a part."""
    return *dataset(digest), f"{part}.parquet"


def dataset_hashes(digest: str, part: str) -> Parts:
    """Return the path of the hashes that tell the rows of a part apart."""
    return *dataset(digest), f"{part}.hashes.parquet"


def drift_report(model: str, digest: str) -> Parts:
    """Return the path of a drift report."""
    return DRIFT, model, f"{digest}.json"


def drift_page(model: str, digest: str) -> Parts:
    """Return the path of a drift report's page."""
    return DRIFT, model, f"{digest}.html"


def inference(model: str, *below: str) -> Parts:
    """Return the folder of a model's inference table, or a day or a file of a day `below` it."""
    return "inference", model, *below


def labels(model: str, *below: str) -> Parts:
    """Return the folder of a model's labels, or a file `below` it."""
    return "labels", model, *below


def anchor(model: str) -> Parts:
    """Return the path of the anchor of a model's ledger."""
    return LEDGER, f"{model}.json"


def package(digest: str) -> Parts:
    """Return the folder of a package that is served on this machine."""
    return "packages", digest


def release(release_id: str) -> Parts:
    """Return the path of a release's record."""
    return RELEASES, f"{release_id}.json"


def seen_rows(digest: str) -> Parts:
    """Return the path of the record that says which rows settings were tuned on."""
    return "tuned-on", f"{digest}.json"


def verdict(digest: str) -> Parts:
    """Return the path of a verdict."""
    return VERDICTS, f"{digest}.json"


def gate_input(digest: str) -> Parts:
    """Return the path of what a verdict was reached from; `digest` is the verdict's."""
    return VERDICTS, f"{digest}.case.json"
