"""Pass users' names and values to interpreters, none of which may take a name for a command.

The interpreters are matplotlib, HTML, YAML, MLflow and the terminal.
"""

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name
from support.folder_registry import FolderRegistry

from titlebout.cli import options
from titlebout.data import prepare_dataset
from titlebout.evaluate import evaluate_candidates
from titlebout.evaluate.plots import _dots
from titlebout.gate import decide_verdict, explain
from titlebout.registry import Registry
from titlebout.scaffold import new_model
from titlebout.scaffold.render_yaml import render_yaml
from titlebout.spec import Column, ModelSpec, printable
from titlebout.train import train_candidates
from titlebout.validate import validate_version

# Each interpreter's grammar has at least one sign here. Each text is a column's name and category.
ODD = (
    "Gross_$_(USD_$)", "$0-$40K", "a^b_{c}", r"\frac{1}{2}", "100%", "%s %(x)d", "{0} {name}",
    "{{ 7*7 }}", "{% raw %}",
    "<script>alert(1)</script>", "&lt; & ]]>", "[red]x[/red]", "yes", "1e3x", "null.", ": #",
    "- a", "<<", "*x", "&x", "!tag", "@a + b", "it's \"quoted\"", "`x`", "a,b;c|d", "=1+1",
    "日本語", "\x1b[31mred", "\u202eright to left", "../x", "a//b", "*.csv", "feature.time",
)  # fmt: skip
ANY_TEXT = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
ODD_TEXT = ANY_TEXT | st.sampled_from(ODD)


class RecordingRegistry(FolderRegistry):
    """Record the names that MLflow would be given."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.metrics, self.params, self.tags = list[str](), list[str](), list[str]()

    def log_params(self, run_id: str, params: Any) -> None:
        self.params += params

    def log_metrics(self, run_id: str, metrics: Any) -> None:
        self.metrics += metrics

    def tag(self, version: Any, **tags: str) -> None:
        self.tags += tags
        super().tag(version, **tags)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("odd")
    (root / "models").mkdir()
    (root / "environments" / "prod").mkdir(parents=True)
    (root / "environments" / "prod" / "environment.yaml").write_text(
        "name: prod\nmlflow: http://127.0.0.1:1\nstorage: storage\n"
    )
    return root


@pytest.fixture(scope="module")
def gated_model(project):
    """Return (registry, page, verdict) of a model whose names and categories are all odd."""
    random = np.random.default_rng(0)
    rows = 600
    group = random.integers(0, len(ODD), rows)
    frame = pd.DataFrame({name: random.normal(size=rows).round(3) for name in ODD[1:8]})
    frame[ODD[0]] = [ODD[code % 4] for code in group]
    frame[ODD[9]] = [ODD[9 + code % 5] for code in group]
    for start, name in enumerate(ODD[10:]):
        frame[name] = [ODD[(start + code) % len(ODD)] for code in random.integers(0, 3, rows)]
    frame["y_$^%"] = np.where(
        group % 4 + 2 * frame[ODD[1]] + random.normal(size=rows) > 1.5, "$yes$", "<no>"
    )
    frame.to_parquet(project / "odd.parquet")
    registry = RecordingRegistry(project / "registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITLEBOUT_PROJECT", str(project))
        # No MLflow server runs in this test.
        patch.setattr(Registry, "connect", lambda project, environment: registry)
        table = project / "odd.parquet"
        path, spec = new_model(project, name="odd", data=table, target="y_$^%")[:2]
        assert set(spec.columns) | set(spec.exclude) == set(frame) - {"y_$^%"}
        text = path.read_text().replace("p99_ms: 50", "p99_ms: 60000")
        path.write_text(
            re.sub(
                r"columns: \[[^\n]*\], minimum_rows: \d+",
                f"columns: ['{ODD[0]}', '{ODD[9]}'], minimum_rows: 20",
                text,
            )
        )
        step: dict[str, Any] = {"model": "odd", "environment": "prod"}
        out = project / "out"
        prepare_dataset(**step, as_of=None, out=out / "dataset")
        train_candidates(**step, dataset=out / "dataset", out=out / "training")
        evaluate_candidates(
            **step, dataset=out / "dataset", training=out / "training", out=out / "evaluation"
        )
        validate_version(**step, evaluation=out / "evaluation", out=out / "validation")
        verdict = decide_verdict(
            **step,
            evaluation=out / "evaluation",
            validation=out / "validation",
            out=out / "verdict",
        )
    return registry, (out / "verdict" / "report.html").read_text(), verdict


def texts_of(page: str) -> str:
    """Return what a browser shows: text without tags, with entities replaced."""
    return html.unescape(re.sub(r"<[^>]*>", "\n", page))


def test_the_page_shows_every_name_as_it_is(gated_model):
    """Show every name as text: `$` starts no formula, and `<script>` is no tag."""
    _, page, _ = gated_model
    shown = texts_of(page)
    for name in (*ODD[:4], ODD[9], "$yes$", "<no>"):
        assert name in shown, name
    assert "<script>" not in page
    assert "\x1b" not in page


def test_the_page_needs_no_network_and_no_mathtext(gated_model):
    """Write names as text in the SVG, and load nothing."""
    _, page, _ = gated_model
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)[0]


def test_mlflow_takes_every_name(gated_model):
    """Give MLflow valid names of metrics, parameters and tags."""
    registry, _, _ = gated_model
    for names, valid in (
        (registry.metrics, _validate_metric_name),
        (registry.params, _validate_param_name),
        (registry.tags, _validate_tag_name),
    ):
        assert names
        for name in names:
            valid(name)


def test_the_terminal_gets_no_control_characters(gated_model, capsys):
    """Show escape sequences and signs that change the direction; `[red]` is text."""
    _, _, verdict = gated_model
    options.emit({}, explain(verdict) + "\n" + "\n".join(ODD), as_json=False)
    output = capsys.readouterr().out
    assert "[red]x[/red]" in output
    assert r"\x1b[31mred" in output
    assert not {"\x1b", "\u202e"} & set(output)


@given(st.text())
def test_printable_text_has_no_control_characters_and_keeps_its_lines(text):
    """Make any text encodable, with no control character but line feeds and tabs."""
    shown = printable(text)
    shown.encode()
    assert not [one for one in shown if ord(one) < 32 and one not in "\n\t"]
    assert shown.count("\n") == text.count("\n")


@given(names=st.lists(ODD_TEXT, min_size=1, max_size=4, unique=True), note=ODD_TEXT)
@settings(max_examples=150, deadline=None)
def test_model_yaml_reads_back_as_it_was_written(project, names, note):
    """Read back names, classes and comments of any characters, such as `yes`, `1e3` and `: #`."""
    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "owner": "o",
            "brief": {"question": note, "decided_by": note, "error_cost": note},
            "source": {"file": "x.csv"},
            "task": "binary",
            "target": {"column": "".join(names) + "'s target", "positive": names[0]},
            "columns": {name: Column(type="category", values=(note,)) for name in names},
            "split": {"by": "row"},
            "candidates": {"linear": {"estimator": "linear"}},
            "metric": "log_loss",
            "exclude": {"x" + "".join(names): note},
            "slices": {"columns": (names[0],)},
        }
    )
    path = project / "written.yaml"
    path.write_text(
        render_yaml(
            spec, {"file": note, "task": note, **{f"columns.{name}": note for name in names}}
        ),
        encoding="utf-8",
    )
    assert ModelSpec.from_yaml(path) == spec


@given(name=ODD_TEXT.filter(str.isprintable))
@settings(max_examples=25, deadline=None)
def test_a_plot_names_its_rows_as_they_are(name):
    """Draw the name as text: matplotlib reads no formula in it, and SVG no tag."""
    drawn = _dots([(name, 0.5, 0.4, 0.6)], marked=None, xlabel="log_loss")
    assert " ".join(name.split()) in " ".join(texts_of(drawn).split())
