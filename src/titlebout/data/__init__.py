"""From a source to a frozen, split dataset, and from a table to a first model.yaml."""

from titlebout.data.frozen import Frame, features, load_dataset, load_part
from titlebout.data.hashes import row_hashes
from titlebout.data.infer import Inferred, infer_spec, new_model
from titlebout.data.prepare import prepare, prepare_dataset
from titlebout.data.render import render_yaml
from titlebout.data.schema import wire_features
from titlebout.data.schemas import write_schemas
from titlebout.data.seen import count_seen, keep_seen, load_seen, proof_in_words, prove_disjoint, seen_rows
from titlebout.data.source import read_source, read_table

__all__ = [
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
    "prepare",
    "prepare_dataset",
    "proof_in_words",
    "prove_disjoint",
    "read_source",
    "read_table",
    "render_yaml",
    "row_hashes",
    "seen_rows",
    "wire_features",
    "write_schemas",
]
