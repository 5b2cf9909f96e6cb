"""Decide once, from the whole training column, how a column is written where model.yaml does not say.

Files and requests are read by that decision, which stands in the dataset's record and in the model's contract.
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

# The first that reads the most is taken; month before day, as in most files, but a rival that reads as much otherwise is told.
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m", "%Y/%m", "%m/%Y"),
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%m-%d-%y", "%d-%m-%y", "%y-%m-%d"),
    *("%d %b %Y", "%b %d, %Y", "%Y %b %d", "%d %b %y", "%b %d, %y", "%b %Y"),
)
COMPACT_FORMATS = {
    "%Y%m%d": 1,
    "%Y%m%d%H": 100,
    "%Y%m%d%H%M": 10_000,
    "%Y%m%d%H%M%S": 1_000_000,
}  # and how many fit into a day
NUMBER_SHAPES = ("1234.5", "1,234.5", "1234,5", "1.234,5", "1 234,5", "1 234.5", "1'234.5")
UNITS = (
    *("US$", "R$", "$", "€", "£", "¥", "₹", "₩", "₽", "₺", "₴", "₫", "฿", "₪", "%"),
    *(
        "USD",
        "EUR",
        "GBP",
        "CHF",
        "JPY",
        "CNY",
        "INR",
        "CAD",
        "AUD",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "kr",
        "zł",
        "Kč",
        "Ft",
    ),
)
BESIDE_A_NUMBER = r"[0-9.,'’()+−\s-]"
WHOLE = r"[+-]?[0-9]+(\.0+)?"
COMPACT_DAYS = (
    19000101,
    20991231,
)  # whole numbers in between that are all dates of the calendar are hardly amounts
EPOCH_SECONDS = (
    946_684_800,
    2_208_988_800,
)  # 2000 to 2040: whole numbers that are all in so narrow a band are hardly amounts
ASKED_FIRST = 1_000
WORTH_READING = 0.5  # a format that reads less of the first values is not tried on all


class ColumnReading(NamedTuple):
    """`rivals` read as much, but otherwise; `read` is the share of the different values that the format reads."""

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
    words = pd.Series(category_texts(present, CODE).unique(), dtype="str")
    return _number_decision(words) if kind == "number" else _date_decision(words)


def with_formats(spec: ModelSpec, raw: pd.DataFrame) -> ModelSpec:
    """Return the spec with a format wherever one was left open; raises DataError where the column can be read in two ways."""
    columns = {
        name: column
        if column.format is not None
        else column.model_copy(update={"format": _decided(raw, name, column.type, spec)})
        for name, column in spec.columns.items()
    }
    kind: ColumnType = "number" if spec.task == "regression" else "category"
    form = spec.target.format or _decided(raw, spec.target.column, kind, spec)
    update: dict[str, Any] = {
        "columns": columns,
        "target": spec.target.model_copy(update={"format": form}),
    }
    if spec.time_column is not None:
        feature = columns.get(spec.time_column)
        own = feature.format if feature is not None and feature.type == "date" else None
        update["time_format"] = (
            spec.time_format or own or _decided(raw, spec.time_column, "date", spec)
        )
    return spec.model_copy(update=update)


def _decided(raw: pd.DataFrame, name: str, kind: ColumnType, spec: ModelSpec) -> str | None:
    decision = decide_reading(raw[name], kind)
    if decision.rivals:
        where = (
            "time_format"
            if name == spec.time_column and name not in spec.columns
            else f"the format of {name!r}"
        )
        raise DataError(
            f"column {name!r} of model {spec.name}",
            expected="values that can be read in one way",
            found=f"values that fit {', '.join([str(decision.format), *decision.rivals])} alike and mean something else in each",
            next_step=f"write {where} into model.yaml: {decision.format}, or {' or '.join(decision.rivals)}",
        )
    return decision.format


def _is_code(present: "pd.Series[Any]") -> bool:
    """Whole numbers only: a missing value beside them may have made 3 a 3.0."""
    if present.dtype.kind == "f":
        return bool((np.isfinite(present) & (present == np.floor(present))).all())
    return present.dtype.kind == "i" or (
        _is_text(present) and bool(matches_format(present, WHOLE).all())
    )


def _is_text(values: "pd.Series[Any]") -> bool:
    return values.dtype.kind == "O"


def _number_decision(words: "pd.Series[Any]") -> ColumnReading:
    if matches_format(words, NUMBER).all():
        return ColumnReading(None)
    units = units_of(words)
    shapes = (
        [_with_unit(shape, units[0], words) for shape in NUMBER_SHAPES]
        if len(units) == 1
        else NUMBER_SHAPES
    )
    best = _best(words, shapes, parse_numbers)
    return best._replace(format=None) if best.format == PLAIN_NUMBER else best


def units_of(texts: "pd.Series[Any]") -> list[str]:
    """The known units that stand beside numbers."""
    beside = set(texts.head(ASKED_FIRST).str.replace(BESIDE_A_NUMBER, "", regex=True).unique())
    return [unit for unit in UNITS if unit in beside]


def _with_unit(shape: str, unit: str, words: "pd.Series[Any]") -> str:
    after = words.str.strip().str.endswith(unit).mean() > 0.5
    return (
        f"{shape} {unit}"
        if after and unit.isalpha()
        else f"{shape}{unit}"
        if after
        else f"{unit}{shape}"
    )


def _date_decision(words: "pd.Series[Any]") -> ColumnReading:
    if matches_format(words.head(ASKED_FIRST), NUMBER).mean() < WORTH_READING:
        iso = _best(words, (ISO,), parse_times)
        return iso if iso.read == 1 else _best(words, (ISO, *DATE_FORMATS), parse_times)
    amounts = parse_numbers(words)
    compact = _best(words, COMPACT_FORMATS, parse_times)
    for form, unit in EPOCH_UNITS.items():
        factor = EPOCH_UNITS["epoch_s"] / unit
        inside = (amounts >= EPOCH_SECONDS[0] * factor) & (amounts < EPOCH_SECONDS[1] * factor)
        if inside.mean() > compact.read:
            return ColumnReading(form, read=float(inside.mean()))
    return compact


def _best(words: "pd.Series[Any]", forms: Iterable[str], reader: Any) -> ColumnReading:
    first = words.head(ASKED_FIRST)
    worth = [form for form in forms if _read(reader(first, form)).mean() >= WORTH_READING]
    if not worth:
        return ColumnReading(None, read=0.0)
    readings: Sequence[NDArray[Any]] = [reader(words, form) for form in worth]
    counts = [int(_read(reading).sum()) for reading in readings]
    best = int(np.argmax(counts))
    different: dict[str, NDArray[Any]] = {}
    for form, reading, count in zip(worth, readings, counts, strict=True):
        if count == counts[best] and not any(
            np.array_equal(reading[_read(one)], one[_read(one)]) for one in different.values()
        ):
            different[form] = reading
    taken, *rivals = different
    return ColumnReading(taken, tuple(rivals), counts[best] / len(words))


def _read(reading: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(~pd.isna(reading))
