"""One market in the words of schema.org."""

import uuid

import extruct
import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import MarketState
from tests.factories.markets import add_market

LD = {"Accept": "application/ld+json, application/json;q=0.5"}


class TestJsonLd:
    async def test_an_event_where_it_is_asked_for(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """State, hours with their offset, place, price and organiser; JSON for everybody else, each with its tag."""
        today = today_in_denmark()
        made = await add_market(
            session,
            name="Remisen </script>",
            start_date=today,
            end_date=today,
            opening_hours="10:00-16:00",
            state=MarketState.CANCELLED,
            postal_code="2100",
            address="Blegdamsvej 132",
            entry_fee=20,
            has_food=True,
            organizer_name="Spejderne",
        )
        await session.commit()
        answer = await client.get(f"/markets/{made}", headers=LD)
        assert answer.headers["content-type"] == "application/ld+json"
        document = answer.text.replace("</", "<\\/")
        page = f"<script type='application/ld+json'>{document}</script>"
        [event] = extruct.extract(page, syntaxes=["json-ld"])["json-ld"]
        assert event["@type"] == "Event"
        assert event["name"] == "Remisen </script>"
        assert event["eventStatus"] == "https://schema.org/EventCancelled"
        assert event["startDate"].startswith(f"{today}T10:00:00+0")
        assert event["location"]["address"]["postalCode"] == "2100"
        assert event["location"]["geo"]["latitude"] == 55.6761
        assert event["location"]["amenityFeature"][0]["name"] == "mad og drikke"
        assert (event["offers"]["price"], event["isAccessibleForFree"]) == (20, False)
        assert event["organizer"]["name"] == "Spejderne"
        plain = await client.get(f"/markets/{made}", headers={"Accept": "*/*"})
        assert plain.headers["content-type"] == "application/json"
        assert plain.headers["ETag"] != answer.headers["ETag"]
        assert "Accept" in plain.headers["Vary"]
        again = await client.get(f"/markets/{made}", headers={**LD, "If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304

    async def test_what_is_not_known_is_left_out(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """No nulls, no empty organiser; no such market is 404."""
        made = await add_market(session, latitude=None, longitude=None, municipality=None, city=None)
        await session.commit()
        event = (await client.get(f"/markets/{made}", headers=LD)).json()
        assert not {"organizer", "offers", "description", "isAccessibleForFree"} & set(event)
        assert event["endDate"] == "2026-06-07"
        assert "geo" not in event["location"]
        assert (await client.get(f"/markets/{uuid.uuid4()}", headers=LD)).status_code == 404
