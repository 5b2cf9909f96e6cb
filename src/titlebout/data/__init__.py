"""From a source to a frozen, split dataset, and from a table to a first model.yaml."""

from titlebout.data.frozen import Frame, features, load_dataset, load_part, prove_disjoint
from titlebout.data.hashes import row_hashes
from titlebout.data.prepare import prepare, prepare_dataset
from titlebout.data.schema import refuse_absent, wire_features
from titlebout.data.source import read_source, read_table

__all__ = [
    "Frame",
    "features",
    "load_dataset",
    "load_part",
    "prepare",
    "prepare_dataset",
    "prove_disjoint",
    "read_source",
    "read_table",
    "refuse_absent",
    "row_hashes",
    "wire_features",
]
