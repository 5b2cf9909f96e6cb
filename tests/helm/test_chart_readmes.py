"""Check that the charts' README files list the values that there are."""

import importlib.util
from pathlib import Path

import pytest
import yaml

HELM = Path(__file__).parents[2] / "helm"
_module_spec = importlib.util.spec_from_file_location("helm_readme", HELM / "readme.py")
readme = importlib.util.module_from_spec(_module_spec)
_module_spec.loader.exec_module(readme)


@pytest.mark.parametrize("chart", readme.charts(), ids=lambda chart: chart.name)
def test_the_committed_readme_is_current(chart):
    """Commit what `make charts` writes."""
    assert (chart / "README.md").read_text() == readme.readme(chart)


@pytest.mark.parametrize("chart", readme.charts(), ids=lambda chart: chart.name)
def test_no_value_is_left_out(chart):
    """Give every top-level value, or what is below it, a comment."""
    text = (chart / "values.yaml").read_text()
    assert yaml.safe_load(text).keys() == {path[0] for path, _ in readme.commented(text)}
