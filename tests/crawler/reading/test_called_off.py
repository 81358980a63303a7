"""Titles that call a market off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_crawler.reading.called_off import Status, read_title


class TestReadTitle:
    """The word goes, the name stays."""

    @pytest.mark.parametrize(
        ("text", "name", "status"),
        [
            ("AFLYST: Loppemarked i Remisen", "Loppemarked i Remisen", "cancelled"),
            ("Loppemarked i Remisen - Aflyst!", "Loppemarked i Remisen", "cancelled"),
            ("Loppemarked i Remisen UDSAT til foråret", "Loppemarked i Remisen", "postponed"),
            ("Loppemarked (AFLYST)", "Loppemarked", "cancelled"),
            ("[Aflyst] Loppemarked i Hallen", "Loppemarked i Hallen", "cancelled"),
            ("*** AFLYST *** Julemarked (indendørs)", "Julemarked (indendørs)", "cancelled"),
            ("❌AFLYST❌ Loppemarked", "Loppemarked", "cancelled"),
            ("Loppemarked er desværre aflyst pga. regn", "Loppemarked", "cancelled"),
            ("Loppemarked AFLYST i Remisen", "Loppemarked i Remisen", "cancelled"),
            ("Cancelled: Flea market", "Flea market", "cancelled"),
            ("Udskudt \u2013 Kræmmermarked i Vig", "Kræmmermarked i Vig", "postponed"),
            ("AFLYST", "AFLYST", "cancelled"),
            ("Loppemarked er IKKE aflyst", "Loppemarked er IKKE aflyst", "scheduled"),
            ("Loppemarked for udsatte børn", "Loppemarked for udsatte børn", "scheduled"),
            ("Udsalg og loppemarked", "Udsalg og loppemarked", "scheduled"),
            ("Nordhavn Loppemarked 蚤市场", "Nordhavn Loppemarked 蚤市场", "scheduled"),
        ],
    )
    def test_titles(self, text: str, name: str, status: str) -> None:
        """Expect the name without the word, and the state that it says."""
        assert read_title(text) == (name, status)

    @given(st.text(max_size=80))
    def test_any_title(self, text: str) -> None:
        """Expect a name for any title that has one."""
        title = read_title(f"{text} AFLYST")
        assert title.name
        assert isinstance(title.status, Status)
