"""Decide how a column is written, if model.yaml does not say it.

The decision is made once, from the whole training column.
It stands in the dataset's record and in the model's contract. Files and requests are read by it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.parse import matches_format, parse_numbers, parse_times
from titlebout.data.wire import category_texts
from titlebout.spec import (
    CODE,
    EPOCH_UNITS,
    ISO,
    NUMBER,
    PLAIN_NUMBER,
    TEXT,
    ColumnType,
    DataError,
    ModelSpec,
)

# The first format that reads the most values is taken. Month before day, as in most files.
# A rival that reads as many values, but otherwise, is reported.
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m", "%Y/%m", "%m/%Y"),
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%m-%d-%y", "%d-%m-%y", "%y-%m-%d"),
    *("%d %b %Y", "%b %d, %Y", "%Y %b %d", "%d %b %y", "%b %d, %y", "%b %Y"),
)
# Each format's factor between its number and that of the day alone.
COMPACT_FORMATS = {
    "%Y%m%d": 1,
    "%Y%m%d%H": 100,
    "%Y%m%d%H%M": 10_000,
    "%Y%m%d%H%M%S": 1_000_000,
}
NUMBER_SHAPES = ("1234.5", "1,234.5", "1234,5", "1.234,5", "1 234,5", "1 234.5", "1'234.5")
UNITS = (
    *("US$", "R$", "$", "€", "£", "¥", "₹", "₩", "₽", "₺", "₴", "₫", "฿", "₪", "%"),
    *("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN"),
    *("kr", "zł", "Kč", "Ft"),
)
BESIDE_A_NUMBER = r"[0-9.,'’()+−\s-]"
WHOLE = r"[+-]?[0-9]+(\.0+)?"
# Whole numbers in between that are all dates of the calendar are hardly amounts.
COMPACT_DAYS = (19000101, 20991231)
# 2000 to 2040: whole numbers that are all in so narrow a band are hardly amounts.
EPOCH_SECONDS = (946_684_800, 2_208_988_800)
FIRST_VALUES = 1_000  # they show which formats are worth trying on all values
LEAST_READ = 0.5  # a format that reads less of the first values is not tried on all


class ColumnReading(NamedTuple):
    """Hold how a column is written.

    `rivals` are formats that read as many values, but otherwise.
    `read` is the share of the different values that the format reads.
    """

    format: str | None
    rivals: tuple[str, ...] = ()
    read: float = 1.0


def decide_reading(values: "pd.Series[Any]", kind: ColumnType) -> ColumnReading:
    """Return the format that reads most of the column's values."""
    present = values.dropna()
    if kind == "boolean" or (kind == "number" and not _is_text(present)):
        return ColumnReading(None)
    if kind == "category":
        return ColumnReading(CODE if _is_code(present) else TEXT)
    if present.empty or present.dtype.kind == "M":
        return ColumnReading(ISO if kind == "date" else None)
    texts = pd.Series(category_texts(present, CODE).unique(), dtype="str")
    return _decide_number(texts) if kind == "number" else _decide_date(texts)


def with_formats(spec: ModelSpec, raw: pd.DataFrame) -> ModelSpec:
    """Return the spec with a format for each column that has none.

    Raise DataError if a column can be read in two ways.
    """
    columns = {
        name: column
        if column.format is not None
        else column.model_copy(update={"format": _decide_format(raw, name, column.type, spec)})
        for name, column in spec.columns.items()
    }
    kind: ColumnType = "number" if spec.task == "regression" else "category"
    form = spec.target.format or _decide_format(raw, spec.target.column, kind, spec)
    update: dict[str, Any] = {
        "columns": columns,
        "target": spec.target.model_copy(update={"format": form}),
    }
    if spec.time_column is not None:
        feature = columns.get(spec.time_column)
        own = feature.format if feature is not None and feature.type == "date" else None
        update["time_format"] = (
            spec.time_format or own or _decide_format(raw, spec.time_column, "date", spec)
        )
    return spec.model_copy(update=update)


def _decide_format(raw: pd.DataFrame, name: str, kind: ColumnType, spec: ModelSpec) -> str | None:
    decision = decide_reading(raw[name], kind)
    if decision.rivals:
        key = (
            "time_format"
            if name == spec.time_column and name not in spec.columns
            else f"the format of {name!r}"
        )
        raise DataError(
            f"column {name!r} of model {spec.name}",
            expected="values that can be read in one way",
            found=f"values that fit {', '.join([str(decision.format), *decision.rivals])} alike "
            "and mean something else in each",
            next_step=f"write {key} into model.yaml: {decision.format}, "
            f"or {' or '.join(decision.rivals)}",
        )
    return decision.format


def _is_code(present: "pd.Series[Any]") -> bool:
    """Return whether all are whole numbers; a missing value may have made 3 a 3.0."""
    if present.dtype.kind == "f":
        return bool((np.isfinite(present) & (present == np.floor(present))).all())
    return present.dtype.kind == "i" or (
        _is_text(present) and bool(matches_format(present, WHOLE).all())
    )


def _is_text(values: "pd.Series[Any]") -> bool:
    return values.dtype.kind == "O"


def _decide_number(texts: "pd.Series[Any]") -> ColumnReading:
    if matches_format(texts, NUMBER).all():
        return ColumnReading(None)
    units = units_of(texts)
    shapes = (
        [_add_unit(shape, units[0], texts) for shape in NUMBER_SHAPES]
        if len(units) == 1
        else NUMBER_SHAPES
    )
    best = _choose_best(texts, shapes, parse_numbers)
    return best._replace(format=None) if best.format == PLAIN_NUMBER else best


def units_of(texts: "pd.Series[Any]") -> list[str]:
    """Return the known units that stand beside numbers."""
    beside = set(texts.head(FIRST_VALUES).str.replace(BESIDE_A_NUMBER, "", regex=True).unique())
    return [unit for unit in UNITS if unit in beside]


def _add_unit(shape: str, unit: str, texts: "pd.Series[Any]") -> str:
    if texts.str.strip().str.endswith(unit).mean() <= 0.5:
        return f"{unit}{shape}"
    return f"{shape} {unit}" if unit.isalpha() else f"{shape}{unit}"


def _decide_date(texts: "pd.Series[Any]") -> ColumnReading:
    if matches_format(texts.head(FIRST_VALUES), NUMBER).mean() < LEAST_READ:
        iso = _choose_best(texts, (ISO,), parse_times)
        return iso if iso.read == 1 else _choose_best(texts, (ISO, *DATE_FORMATS), parse_times)
    amounts = parse_numbers(texts)
    compact = _choose_best(texts, COMPACT_FORMATS, parse_times)
    for form, unit in EPOCH_UNITS.items():
        factor = EPOCH_UNITS["epoch_s"] / unit
        inside = (amounts >= EPOCH_SECONDS[0] * factor) & (amounts < EPOCH_SECONDS[1] * factor)
        if inside.mean() > compact.read:
            return ColumnReading(form, read=float(inside.mean()))
    return compact


def _choose_best(texts: "pd.Series[Any]", forms: Iterable[str], parse: Any) -> ColumnReading:
    """Return the format that reads most of the texts, and those that read as many otherwise."""
    first = texts.head(FIRST_VALUES)
    possible = [form for form in forms if _is_read(parse(first, form)).mean() >= LEAST_READ]
    if not possible:
        return ColumnReading(None, read=0.0)
    readings: Sequence[NDArray[Any]] = [parse(texts, form) for form in possible]
    counts = [int(_is_read(reading).sum()) for reading in readings]
    most = max(counts)
    different: dict[str, NDArray[Any]] = {}
    for form, reading, count in zip(possible, readings, counts, strict=True):
        if count == most and not any(
            np.array_equal(reading[_is_read(one)], one[_is_read(one)]) for one in different.values()
        ):
            different[form] = reading
    chosen, *rivals = different
    return ColumnReading(chosen, tuple(rivals), most / len(texts))


def _is_read(reading: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(~pd.isna(reading))
