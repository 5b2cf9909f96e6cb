"""From a source to a frozen, split dataset, and from a table to a first model.yaml."""

from titlebout.data.column_skill import NEARLY_PERFECT, skill_alone, skill_together
from titlebout.data.files import read_arrow
from titlebout.data.frozen import Frame, features, load_dataset, load_part
from titlebout.data.hashes import row_hashes
from titlebout.data.infer import Inferred, infer_spec, new_model
from titlebout.data.plain import plain_table
from titlebout.data.prepare import PREPARED, prepare, prepare_dataset
from titlebout.data.render import render_yaml
from titlebout.data.schema import read_rows, refuse_absent, wire_features
from titlebout.data.schemas import write_schemas
from titlebout.data.seen import count_seen, keep_seen, load_seen, proof_in_words, prove_disjoint, seen_rows
from titlebout.data.source import read_source, read_table
from titlebout.data.typed import table_columns

__all__ = [
    "NEARLY_PERFECT",
    "PREPARED",
    "Frame",
    "Inferred",
    "count_seen",
    "features",
    "infer_spec",
    "keep_seen",
    "load_dataset",
    "load_part",
    "load_seen",
    "new_model",
    "plain_table",
    "prepare",
    "prepare_dataset",
    "proof_in_words",
    "prove_disjoint",
    "read_arrow",
    "read_rows",
    "read_source",
    "read_table",
    "refuse_absent",
    "render_yaml",
    "row_hashes",
    "seen_rows",
    "skill_alone",
    "skill_together",
    "table_columns",
    "wire_features",
    "write_schemas",
]
