"""Read a source, split it, and freeze the result as a dataset."""

from titlebout.data.column_reading import (
    BESIDE_A_NUMBER,
    COMPACT_DAYS,
    COMPACT_FORMATS,
    EPOCH_SECONDS,
    ColumnReading,
    decide_reading,
    units_of,
)
from titlebout.data.column_skill import NEARLY_PERFECT, SAMPLE_ROWS, skill_alone, skill_together
from titlebout.data.datasets import load_dataset, load_part
from titlebout.data.files import read_arrow, without_endings
from titlebout.data.hashes import LARGEST_EXACT, row_hashes
from titlebout.data.keys import row_keys, whole_rows
from titlebout.data.normalize import normalize_frame, normalize_table
from titlebout.data.parse import matches_format, parse_numbers, parse_truth
from titlebout.data.part_rows import (
    Codes,
    Labels,
    PartRows,
    contract_columns,
    features,
    sample_positions,
)
from titlebout.data.prepare import PREPARED, prepare, prepare_dataset
from titlebout.data.schema import read_rows, refuse_absent, wire_features
from titlebout.data.seen_rows import (
    count_seen,
    keep_seen,
    load_seen,
    proof_in_words,
    prove_disjoint,
    seen_rows,
)
from titlebout.data.source import read_source, read_table
from titlebout.data.split import MINIMUM_ROWS, SplitInput, split
from titlebout.data.typed import table_columns
from titlebout.data.window import count_never
from titlebout.data.wire import category_texts, to_wire

__all__ = [
    "BESIDE_A_NUMBER",
    "COMPACT_DAYS",
    "COMPACT_FORMATS",
    "EPOCH_SECONDS",
    "LARGEST_EXACT",
    "MINIMUM_ROWS",
    "NEARLY_PERFECT",
    "PREPARED",
    "SAMPLE_ROWS",
    "Codes",
    "ColumnReading",
    "Labels",
    "PartRows",
    "SplitInput",
    "category_texts",
    "contract_columns",
    "count_never",
    "count_seen",
    "decide_reading",
    "features",
    "keep_seen",
    "load_dataset",
    "load_part",
    "load_seen",
    "matches_format",
    "normalize_frame",
    "normalize_table",
    "parse_numbers",
    "parse_truth",
    "prepare",
    "prepare_dataset",
    "proof_in_words",
    "prove_disjoint",
    "read_arrow",
    "read_rows",
    "read_source",
    "read_table",
    "refuse_absent",
    "row_hashes",
    "row_keys",
    "sample_positions",
    "seen_rows",
    "skill_alone",
    "skill_together",
    "split",
    "table_columns",
    "to_wire",
    "units_of",
    "whole_rows",
    "wire_features",
    "without_endings",
]
