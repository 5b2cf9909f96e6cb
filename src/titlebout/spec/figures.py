"""Write figures as a person reads them, everywhere alike: 0.4213, 12.3, 348,700, 10.8 %."""

import math

DIGITS = 4  # significant ones
SMALLEST_PLAIN = 1e-4  # below it, a reader would have to count zeros; the exponent counts them
WHOLE_FROM = 1e3  # from here on, money and counts are shown to the unit
LARGEST_PLAIN = 1e15


def figure(value: float | None, *, digits: int = DIGITS) -> str:
    """Return the value with so many significant digits and with thousands separated.

    Only very small and very large values have an exponent.
    A dash stands for an unknown value. A negative value has the minus sign, and 0 has none.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"  # also the negative one
    size = abs(value)
    if size < SMALLEST_PLAIN or size >= LARGEST_PLAIN:
        text = f"{size:.{digits}g}"
    elif size >= WHOLE_FROM:
        text = f"{size:,.0f}"
    else:
        rounded = float(f"{size:.{digits}g}")
        text = f"{rounded:,.{max(0, digits - 1 - math.floor(math.log10(rounded)))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"−{text}" if value < 0 else text


def percent(share: float | None) -> str:
    """Return a share of 1 as a percentage with one decimal."""
    return (
        "–"
        if share is None or math.isnan(share)
        else f"{round(100 * share, 1) + 0.0:,.1f} %".replace("-", "−")
    )


def from_to(low: float, high: float) -> str:
    """Return an interval as text, with digits enough that different ends look different."""
    for digits in range(DIGITS, 2 * DIGITS + 1):
        if figure(low, digits=digits) != figure(high, digits=digits):
            break
    else:
        digits = DIGITS
    return f"{figure(low, digits=digits)} to {figure(high, digits=digits)}"
