"""Kubernetes quantities as numbers: `1000m` and `1` are the same amount."""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

_SUFFIXES: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_EXACT: Final = Context(prec=64)


def quantity(text: str) -> Decimal | None:
    """Return the value of a Kubernetes quantity: `1000m` and `1` are the same; None for what is not one.

    The API server stores resources in thousandths, rounded up, so they are compared as such.
    """
    suffix = next((known for known in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(known)), "")
    try:
        value = _EXACT.multiply(Decimal(text.removesuffix(suffix)), _SUFFIXES.get(suffix, Decimal(1)))
        return value.quantize(_SUFFIXES["m"], rounding=ROUND_CEILING, context=_EXACT)
    except ArithmeticError:
        return None
