"""Calendars whose rules name more occurrences than there are markets."""

import asyncio
import time
from datetime import timedelta

import pytest
from web_poet import HttpResponse, PageParams

from loppestars_core.kit.clock import today_in_denmark
from loppestars_crawler.items import EventListing
from loppestars_crawler.pages.calendar_feed import CalendarFeedPage

DAY = today_in_denmark() + timedelta(days=3)


def read(*rules: str) -> EventListing:
    """What a calendar with an event for each rule lists; the last event has none."""
    events = [
        f"BEGIN:VEVENT\r\nUID:{number}\r\nSUMMARY:Marked {number}\r\n"
        f"DTSTART:{DAY:%Y%m%d}T100000\r\n{rule}END:VEVENT\r\n"
        for number, rule in enumerate((*(f"{rule}\r\n" for rule in rules), ""))
    ]
    body = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{''.join(events)}END:VCALENDAR\r\n".encode()
    response = HttpResponse("https://torvet.example/feed", body, headers={"Content-Type": "text/calendar"})
    page = CalendarFeedPage(response=response, page_params=PageParams(today=str(today_in_denmark())))
    return asyncio.run(page.to_item())


class TestBounds:
    """What is refused, while the other events of the calendar are read."""

    @pytest.mark.parametrize(
        "rule",
        [
            "RRULE:FREQ=SECONDLY",
            "RRULE:FREQ=MINUTELY;INTERVAL=30",
            "RRULE:FREQ=DAILY;INTERVAL=0",
            f"RRULE:FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}",
        ],
    )
    def test_within_a_day(self, rule: str) -> None:
        """Expect the event to be counted with the reason, at once."""
        began = time.process_time()
        listing = read(rule)
        assert time.process_time() - began < 5
        assert [market.name for market in listing.markets] == ["Marked 1"]
        [problem] = listing.problems
        assert "more often than daily" in problem.reason or "occurrences in one calendar" in problem.reason

    def test_many(self) -> None:
        """Expect the rules of a calendar to be worked out until they are too many together."""
        listing = read(*["RRULE:FREQ=YEARLY;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10;BYDAY=MO,TU,WE,TH,FR,SA,SU"] * 20)
        assert len(listing.problems) == 8
        assert listing.markets

    def test_usual_rules(self) -> None:
        """Expect weekly and monthly markets as before."""
        listing = read("RRULE:FREQ=WEEKLY;BYDAY=SA,SU;COUNT=10", "RRULE:FREQ=MONTHLY;BYDAY=1SU;COUNT=3")
        assert not listing.problems
        assert len(listing.markets) >= 13
