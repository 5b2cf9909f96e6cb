"""From a source to a frozen, split dataset, and from a table to a first model.yaml."""

from titlebout.data.column_skill import NEARLY_PERFECT, skill_alone, skill_together
from titlebout.data.frozen import Frame, features, load_dataset, load_part, prove_disjoint
from titlebout.data.hashes import row_hashes
from titlebout.data.infer import Inferred, infer_spec, new_model
from titlebout.data.prepare import prepare, prepare_dataset
from titlebout.data.render import render_yaml
from titlebout.data.schema import wire_features
from titlebout.data.schemas import write_schemas
from titlebout.data.source import read_source, read_table

__all__ = [
    "NEARLY_PERFECT",
    "Frame",
    "Inferred",
    "features",
    "infer_spec",
    "load_dataset",
    "load_part",
    "new_model",
    "prepare",
    "prepare_dataset",
    "prove_disjoint",
    "read_source",
    "read_table",
    "render_yaml",
    "row_hashes",
    "skill_alone",
    "skill_together",
    "wire_features",
    "write_schemas",
]
