"""`titlebout new`, `train`, `gate`: from a table to a verdict."""

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
    require_declared,
    train_in_namespace,
)
from titlebout.spec import Progress

if TYPE_CHECKING:
    from titlebout.spec import Evaluation, Validation, Verdict

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DATE", help="use only rows of before this date  [default: all rows]"
    ),
]
Tune = Annotated[
    bool | None,
    typer.Option(
        "--tune/--no-tune", help="search for settings  [default: where the environment allows it]"
    ),
]


def add_to(app: typer.Typer) -> None:
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
    """Write a model.yaml for a table, each guess explained."""
    from titlebout.scaffold import new_model
    from titlebout.spec import find_project

    path, spec, questions = new_model(find_project(), name=name, data=data, target=target)
    words = f"wrote {path}: {spec.task}, {len(spec.columns)} features, {len(spec.exclude)} columns left out\n"
    words += "".join(f"{question}\n" for question in questions)
    result = {**spec.model_dump(mode="json"), "questions": list(questions)}
    emit(
        result,
        f"{words}Next: read the comments there, then `titlebout train {name} --env dev`",
        as_json=as_json,
    )


def prepare(
    model: ModelName, environment: EnvironmentName, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Read the source, freeze and split its rows: what training begins with."""
    from titlebout import spec
    from titlebout.data import prepare as freeze

    project = spec.find_project()
    declared = spec.load_model_spec(project, model)
    if (cluster := remote_cluster(project, environment)) is not None:
        code, output = prepare_in_namespace(cluster, project, model, environment, as_of=as_of)
        if code != 0 or as_json:
            _print_and_exit(code, output if as_json else "")  # an error's words are in the progress
        result = dict(json.loads(output))
    else:
        require_declared(project, model)
        with redirect_stdout(sys.stderr):  # whatever features.py prints is progress
            dataset = freeze(
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
    """As the command in the namespace did."""
    typer.echo(output, nl=False)
    raise typer.Exit(code)


def train(
    model: ModelName,
    environment: EnvironmentName,
    as_of: AsOf = None,
    tune: Tune = None,
    as_json: AsJson = False,
) -> None:
    """Prepare, train, evaluate, validate, gate."""
    from titlebout import launch, spec

    project = spec.find_project()
    spec.load_model_spec(project, model)
    if tune:
        spec.require_tuning(spec.load_environment(project, environment))
    if (cluster := remote_cluster(project, environment)) is not None:
        _print_and_exit(
            *train_in_namespace(cluster, project, model, environment, sys.argv[1:], as_of=as_of)
        )
    require_declared(project, model)
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
        "report": _where_is_report(run.outputs["verdict"], evaluation),
        "seconds": run.seconds,
    }
    emit(
        result,
        _training_in_words(evaluation, validation, verdict, report=result["report"]),
        as_json=as_json,
    )


def verdict_of_training(
    project: Path, model: str, environment: str, *, as_of: str | None, progress: Progress
) -> "Verdict":
    """Train, here or in the environment's namespace, with the settings that were committed or are searched as the environment says."""
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
        raise typer.Exit(code)  # its error is in the progress
    told = dict(json.loads(output)["verdict"])
    del told["digest"]
    return spec.Verdict.model_validate_json(json.dumps(told))


def _where_is_report(folder: Path, evaluation: "Evaluation") -> str:
    """A pod's own files go with it; the run's stay."""
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
    return "\n".join(
        [
            f"{evaluation.model} version {evaluation.version}: {evaluation.chosen} ({evaluation.why_chosen})",
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
        typer.Option("--model", metavar="MODEL", help="whose verdict it is: tells the namespace"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reach a recorded verdict again; exits 1 if it differs."""
    from titlebout.gate import explain
    from titlebout.gate import replay as reach_again
    from titlebout.spec import NotAllowed, find_project, load_environment

    project = find_project()
    if model is None and remote_cluster(project, environment) is not None:
        raise NotAllowed(
            f"replay in {environment}",
            expected="--model MODEL",
            found="none",
            next_step="name the model of the verdict",
        )
    with (
        nullcontext(load_environment(project, environment))
        if model is None
        else connected(project, model, environment) as declared
    ):
        verdict, same = reach_again(project, declared, replay)
    word = "the same verdict again" if same else f"ANOTHER verdict than recorded in {replay}"
    emit(
        {"same": same, **verdict.model_dump(mode="json")},
        f"{word}\n{explain(verdict)}",
        as_json=as_json,
    )
    raise typer.Exit(0 if same else 1)
