"""How settings are explained."""

from datetime import timedelta

import pytest
from pydantic import Field, SecretStr

from loppestars_core.kit.settings import ComponentSettings, describe


class KioskSettings(ComponentSettings):
    """Settings of a kiosk."""

    address: str = Field(description="where it is")
    open: bool = Field(default=True, description="whether it sells")
    goods: tuple[str, ...] = Field(("pølser", "is"), description="what it sells")
    closed_on: tuple[str, ...] = Field((), description="days without sale")
    wait: timedelta = Field(timedelta(minutes=2), description="longest wait")
    price: float = Field(25.0, description="price of a pølse")
    key: SecretStr = Field(SecretStr("hidden"), description="key of the door")


class TestDescribe:
    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("ADDRESS", "where it is [required]"),
            ("OPEN", "whether it sells [default true]"),
            ("GOODS", "what it sells [default pølser,is]"),
            ("CLOSED_ON", "days without sale"),
            ("WAIT", "longest wait [default 120s]"),
            ("PRICE", "price of a pølse [default 25]"),
            ("KEY", "key of the door"),
        ],
    )
    def test_defaults(self, name: str, line: str) -> None:
        """A default is shown as one would write it into the environment, and a secret not at all."""
        shown = [row.split(None, 1) for row in describe(KioskSettings).splitlines()]
        assert [name, line] in shown
