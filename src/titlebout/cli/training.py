"""Define `titlebout new`, `prepare`, `train` and `gate`: from a table to a verdict."""

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from titlebout.cli.options import AsJson, EnvironmentName, ModelName, emit, progress_to_stderr
from titlebout.cli.remote import (
    connected,
    prepare_in_namespace,
    remote_cluster,
    require_same_declaration,
    train_in_namespace,
)

if TYPE_CHECKING:
    from titlebout.spec import Evaluation, Progress, Validation, Verdict

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DATE", help="use only rows from before this date  [default: all rows]"
    ),
]
Tune = Annotated[
    bool | None,
    typer.Option(
        "--tune/--no-tune", help="search for settings  [default: where the environment allows it]"
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(new)
    app.command()(prepare)
    app.command()(train)
    app.command()(gate)


def new(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="the model's name: lower-case letters, digits, hyphens"
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data", metavar="FILE", help="CSV, JSON lines, Parquet or a folder of Parquet"
        ),
    ],
    target: Annotated[
        str, typer.Option("--target", metavar="COLUMN", help="the column to predict")
    ],
    as_json: AsJson = False,
) -> None:
    """Write a model.yaml for a table, with a comment that explains each guess."""
    from titlebout.scaffold import new_model
    from titlebout.spec import find_project

    path, spec, questions = new_model(find_project(), name=name, data=data, target=target)
    text = (
        f"wrote {path}: {spec.task}, {len(spec.columns)} features, "
        f"{len(spec.exclude)} columns left out\n"
    )
    text += "".join(f"{question}\n" for question in questions)
    result = {**spec.model_dump(mode="json"), "questions": list(questions)}
    emit(
        result,
        f"{text}Next: read its comments, then run `titlebout train {name} --env dev`",
        as_json=as_json,
    )


def prepare(
    model: ModelName, environment: EnvironmentName, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Read the source, split its rows and store them as a dataset: the first step of training."""
    from titlebout import spec
    from titlebout.data import prepare as prepare_dataset

    project = spec.find_project()
    declared = spec.load_model_spec(project, model)
    if (cluster := remote_cluster(project, environment)) is not None:
        code, output = prepare_in_namespace(cluster, project, model, environment, as_of=as_of)
        if code != 0 or as_json:
            _print_and_exit(code, output if as_json else "")  # the progress showed the error
        result = dict(json.loads(output))
    else:
        require_same_declaration(project, model)
        with redirect_stdout(sys.stderr):  # whatever features.py prints is progress
            dataset = prepare_dataset(
                project, declared, spec.load_environment(project, environment), as_of=as_of
            )
        rows = {name: part.rows for name, part in dataset.parts.items()}
        result = {
            "model": model,
            "environment": environment,
            "digest": dataset.digest,
            "rows": rows,
            "notes": list(dataset.notes),
        }
    parts = ", ".join(f"{name} {rows:,}" for name, rows in result["rows"].items())
    emit(result, f"dataset {result['digest']}: {parts} rows", as_json=as_json)


def _print_and_exit(code: int, output: str) -> NoReturn:
    """Print the output of the command in the namespace, and exit with its code."""
    typer.echo(output, nl=False)
    raise typer.Exit(code)


def train(
    model: ModelName,
    environment: EnvironmentName,
    as_of: AsOf = None,
    tune: Tune = None,
    as_json: AsJson = False,
) -> None:
    """Prepare the data, then train, evaluate, validate and gate."""
    from titlebout import launch, spec

    project = spec.find_project()
    spec.load_model_spec(project, model)
    if tune:
        spec.require_tuning(spec.load_environment(project, environment))
    if (cluster := remote_cluster(project, environment)) is not None:
        _print_and_exit(
            *train_in_namespace(cluster, project, model, environment, sys.argv[1:], as_of=as_of)
        )
    require_same_declaration(project, model)
    run = launch.run_training(
        project,
        model=model,
        environment=environment,
        as_of=as_of,
        tune=tune is not False,
        progress=progress_to_stderr(),
    )
    evaluation = spec.Evaluation.from_json(run.outputs["evaluation"] / spec.EVALUATION_FILE)
    validation = spec.Validation.from_json(run.outputs["validation"] / spec.VALIDATION_FILE)
    verdict = spec.Verdict.from_json(run.outputs["verdict"] / spec.VERDICT_FILE)
    result = {
        "model": model,
        "environment": environment,
        "version": evaluation.version,
        "chosen": evaluation.chosen,
        "validation": validation.model_dump(mode="json"),
        "verdict": {"digest": verdict.digest, **verdict.model_dump(mode="json")},
        "report": _locate_report(run.outputs["verdict"], evaluation),
        "seconds": run.seconds,
    }
    emit(
        result,
        _training_in_words(evaluation, validation, verdict, report=result["report"]),
        as_json=as_json,
    )


def verdict_of_training(
    project: Path, model: str, environment: str, *, as_of: str | None, progress: "Progress"
) -> "Verdict":
    """Train here or in the environment's namespace. Return the verdict.

    The settings are the committed ones, or are searched where the environment allows it.
    """
    from titlebout import launch, spec

    if (cluster := remote_cluster(project, environment)) is None:
        run = launch.run_training(
            project, model=model, environment=environment, as_of=as_of, progress=progress
        )
        return spec.Verdict.from_json(run.outputs["verdict"] / spec.VERDICT_FILE)
    arguments = [
        "train",
        model,
        "--env",
        environment,
        "--json",
        *(("--as-of", as_of) if as_of else ()),
    ]
    code, output = train_in_namespace(cluster, project, model, environment, arguments, as_of=as_of)
    if code != 0:
        raise typer.Exit(code)  # the progress showed its error
    verdict = dict(json.loads(output)["verdict"])
    del verdict["digest"]
    return spec.Verdict.model_validate_json(json.dumps(verdict))


def _locate_report(folder: Path, evaluation: "Evaluation") -> str:
    """Return where the report is: in a pod the MLflow run, since the pod's own files go with it."""
    from titlebout.cluster import in_pod

    return (
        f"report.html of MLflow run {evaluation.run_id}"
        if in_pod()
        else str(folder / "report.html")
    )


def _training_in_words(
    evaluation: "Evaluation", validation: "Validation", verdict: "Verdict", *, report: object
) -> str:
    from titlebout.evaluate import calibration_finding
    from titlebout.gate import explain

    calibration = calibration_finding(evaluation)
    failed = [
        f"  failed: {check.name}: {check.detail}" for check in validation.checks if not check.passed
    ]
    warned = [
        f"  warning: {check.name}: {check.detail}" for check in validation.checks if check.warning
    ]
    version = f"{evaluation.model} version {evaluation.version}"
    return "\n".join(
        [
            f"{version}: {evaluation.chosen} ({evaluation.why_chosen})",
            *(f"  passed over: {why}" for _, why in sorted(evaluation.passed_over.items())),
            f"validation {validation.status}{', with warnings' if warned and not failed else ''}",
            *failed,
            *warned,
            *(
                f"  calibration: {words}"
                for words in calibration.words
                if calibration.mark == "bad"
            ),
            explain(verdict),
            f"report: {report}",
        ]
    )


def gate(
    replay: Annotated[
        str, typer.Option("--replay", metavar="RECORD", help="digest or file of a verdict")
    ],
    environment: EnvironmentName,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="the verdict's model; needed on a cluster"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute a recorded verdict again; exits 1 if it differs."""
    from titlebout.gate import explain
    from titlebout.gate import replay as replay_verdict
    from titlebout.spec import NotAllowed, find_project, load_environment

    project = find_project()
    if model is None and remote_cluster(project, environment) is not None:
        raise NotAllowed(
            f"replay in {environment}",
            expected="--model MODEL",
            found="no --model",
            next_step="add --model with the name of the verdict's model",
        )
    with (
        nullcontext(load_environment(project, environment))
        if model is None
        else connected(project, model, environment) as declared
    ):
        verdict, same = replay_verdict(project, declared, replay)
    headline = "the same verdict again" if same else f"ANOTHER verdict than recorded in {replay}"
    emit(
        {"same": same, **verdict.model_dump(mode="json")},
        f"{headline}\n{explain(verdict)}",
        as_json=as_json,
    )
    raise typer.Exit(0 if same else 1)
