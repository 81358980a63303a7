"""`/rest/v1` case by case: what PostgREST's specification and the released app's requests lead one to expect."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.clock import today_in_denmark
from tests.api.supabase.rest.conftest import ADMIN, KEY, ME, OLD_KEY, OTHER, World

OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
RETURN = {"Prefer": "return=representation"}


# method, path, who, headers, body, status, code of an error or the number of rows
CASES: list[tuple[str, str, str, dict[str, str], Any, int, Any]] = [
    # keys
    ("GET", "markets?select=id&limit=1", "anon", {}, None, 200, 1),
    ("GET", "markets?select=id&limit=1", "nobody", {}, None, 401, "PGRST302"),
    ("GET", "markets?select=id", "nobody", {"apikey": "wrong"}, None, 401, "PGRST301"),
    ("GET", "markets?select=id", "nobody", {"apikey": OLD_KEY}, None, 200, 2),
    ("GET", "markets?select=id", "anon", {"apikey": KEY + "x"}, None, 401, "PGRST301"),
    ("GET", "markets?select=id", "anon", {"Authorization": "Bearer nonsense"}, None, 401, "PGRST301"),
    ("GET", "markets?select=id", "anon", {"Authorization": "Basic eDp5"}, None, 401, "PGRST301"),
    # tables and columns
    ("GET", "nowhere?select=id", "anon", {}, None, 404, "PGRST205"),
    ("GET", "users?select=id", ADMIN, {}, None, 404, "PGRST205"),
    ("GET", "markets?select=nothing", "anon", {}, None, 400, "42703"),
    ("GET", "markets?nothing=eq.1", "anon", {}, None, 400, "42703"),
    ("GET", "markets?order=nothing", "anon", {}, None, 400, "42703"),
    ("GET", "markets?search_terms=eq.1", "anon", {}, None, 400, "42703"),
    ("GET", "a/b", "anon", {}, None, 404, "PGRST125"),
    ("PUT", "ratings", "anon", {}, None, 405, "PGRST117"),
    # select
    ("GET", "markets?select=*", "anon", {}, None, 200, 2),
    ("GET", "markets", "anon", {}, None, 200, 2),
    ("GET", "markets?select=*,ratings_count:ratings(count)&order=start_date.asc&limit=50", "anon", {}, None, 200, 2),
    ("GET", "markets?select=id, name", "anon", {}, None, 200, 2),
    ("GET", "markets?select=other:name", "anon", {}, None, 200, 2),
    (
        "GET",
        "markets?select=name,ratings(rating,user_id)&ratings.rating=gte.3&ratings.order=rating.desc",
        "anon",
        {},
        None,
        200,
        2,
    ),
    ("GET", "markets?select=name,ratings!inner(rating)", "anon", {}, None, 200, 1),
    ("GET", "markets?select=name,ratings(nothing)", "anon", {}, None, 400, "42703"),
    ("GET", "markets?ratings.rating=eq.1", "anon", {}, None, 400, "PGRST108"),
    ("GET", "markets?select=ratings(markets(ratings(id)))", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?select=ratings(id)&ratings.limit=100000", "anon", {}, None, 200, 2),
    ("GET", "ratings?select=rating,markets(name)", "anon", {}, None, 200, 3),
    (
        "GET",
        "ratings?select=rating,...markets(name)&order=markets(name).desc,rating",
        "anon",
        {},
        None,
        200,
        3,
    ),
    ("GET", "markets?select=rating.sum()", "anon", {}, None, 400, "PGRST123"),
    ("GET", "markets?select=users(count)", "anon", {}, None, 400, "PGRST200"),
    ("GET", "markets?select=name::text", "anon", {}, None, 200, 2),
    ("GET", "markets?select=name::regclass", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?select=(", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?select=id;drop", "anon", {}, None, 400, "PGRST100"),
    # filters
    ("GET", "markets?id=eq.<now>", "anon", {}, None, 200, 1),
    ("GET", "markets?id=eq.<over>", "anon", {}, None, 200, 1),
    ("GET", "markets?id=neq.<over>", "anon", {}, None, 200, 2),
    ("GET", "markets?id=in.(<over>,<soon>)", "anon", {}, None, 200, 2),
    ("GET", "markets?id=in.()", "anon", {}, None, 200, 0),
    ("GET", "markets?id=not.in.(<now>)", "anon", {}, None, 200, 1),
    ("GET", "markets?id=in.<now>", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?id=eq.nonsense", "anon", {}, None, 400, "22P02"),
    ("GET", "markets?start_date=gte.2020-01-01", "anon", {}, None, 200, 2),
    ("GET", "markets?start_date=lt.2020-01-01", "anon", {}, None, 200, 0),
    ("GET", "markets?start_date=gt.yesterdaY2", "anon", {}, None, 400, "22007"),
    ("GET", "markets?name=like.Market*", "anon", {}, None, 200, 2),
    ("GET", "markets?name=ilike.*SOON", "anon", {}, None, 200, 1),
    ("GET", "markets?name=not.ilike.*SOON", "anon", {}, None, 200, 1),
    ("GET", "markets?description=is.null", "anon", {}, None, 200, None),
    ("GET", "markets?has_food=is.false", "anon", {}, None, 200, None),
    ("GET", "markets?has_food=eq.true", "anon", {}, None, 200, None),
    ("GET", "markets?has_food=eq.maybe", "anon", {}, None, 400, "22P02"),
    ("GET", "markets?has_food=is.maybe", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?latitude=gte.50.5", "anon", {}, None, 200, None),
    ("GET", "markets?latitude=gte.north", "anon", {}, None, 400, "22P02"),
    ("GET", "markets?stall_count=eq.99999999999999999999", "anon", {}, None, 400, "22003"),
    ("GET", "markets?name=fts.x", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?name=cs.{x}", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?name=x", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?or=(id.eq.1,id.eq.2)", "anon", {}, None, 400, "22P02"),
    ("GET", 'markets?or=(name.like.*now,name.eq."Market soon")', "anon", {}, None, 200, 2),
    ("GET", "markets?and=(name.like.Market*,not.or(name.like.*now,id.is.null))", "anon", {}, None, 200, 1),
    ("GET", "markets?not.and=(name.like.Market*,id.not.is.null)", "anon", {}, None, 200, 0),
    ("GET", 'markets?or=(id.in.(<now>,<soon>),name.in.("a,b",c))', "anon", {}, None, 200, 2),
    ("GET", 'markets?name=in.("Market now","a\\"b")', "anon", {}, None, 200, 1),
    ("GET", "markets?or=()", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?or=" + "(or" * 20, "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?name=like(any).{*now,*soon}", "anon", {}, None, 200, 2),
    ("GET", "markets?name=ilike(all).{MARKET*,*NOW}", "anon", {}, None, 200, 1),
    ("GET", "markets?name=eq(some).x", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?name=isdistinct.Market+now", "anon", {}, None, 200, 1),
    ("GET", "markets?name=match.(a+)%2B$", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?description=is.not_null", "anon", {}, None, 200, None),
    ("GET", "markets?select=name,loppemarkeder_nu->a->>b&loppemarkeder_nu->>x=is.null", "anon", {}, None, 200, 2),
    ("GET", "markets?select=name->x", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?name=eq.%00", "anon", {}, None, 400, "22021"),
    ("GET", "markets?name=eq.'; DROP TABLE markets; --", "anon", {}, None, 200, 0),
    ("GET", "markets?name';--=eq.1", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?id=in.(" + ",".join(["x"] * 1001) + ")", "anon", {}, None, 400, "PGRST100"),
    # order and pages
    ("GET", "markets?order=start_date.desc,name", "anon", {}, None, 200, 2),
    ("GET", "markets?order=description.desc.nullslast", "anon", {}, None, 200, 2),
    ("GET", "markets?order=name.sideways", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?order=name;drop", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?limit=1&offset=1", "anon", {}, None, 200, 1),
    ("GET", "markets?limit=0", "anon", {}, None, 200, 0),
    ("GET", "markets?limit=-1", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?limit=x", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets?offset=99999999999", "anon", {}, None, 400, "PGRST100"),
    ("GET", "markets", "anon", {"Range": "0-0"}, None, 200, 1),
    ("GET", "markets", "anon", {"Range": "1-"}, None, 200, 1),
    ("GET", "markets", "anon", {"Range": "5-2"}, None, 416, "PGRST103"),
    ("GET", "markets?limit=1", "anon", {"Prefer": "count=exact"}, None, 206, 1),
    ("GET", "markets", "anon", {"Prefer": "count=exact"}, None, 200, 2),
    ("GET", "markets?offset=7", "anon", {"Prefer": "count=exact"}, None, 416, "PGRST103"),
    ("GET", "markets?offset=7", "anon", {}, None, 200, 0),
    # one object
    ("GET", "markets?id=eq.<now>", "anon", OBJECT, None, 200, "object"),
    ("GET", "markets?id=eq.00000000-0000-0000-0000-000000000000", "anon", OBJECT, None, 406, "PGRST116"),
    ("GET", "markets", "anon", OBJECT, None, 406, "PGRST116"),
    ("GET", "markets", "anon", {"Accept": "application/vnd.pgrst.plan+json"}, None, 406, "PGRST107"),
    ("GET", "markets", "anon", {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}, None, 200, 2),
    ("GET", "markets?offset=2", "anon", {"Prefer": "count=exact"}, None, 206, 0),
    ("GET", "markets?limit=1", "anon", {"Prefer": "count=planned"}, None, 206, 1),
    ("GET", "markets?limit=1", "anon", {"Prefer": "count=estimated"}, None, 206, 1),
    ("GET", "markets", "anon", {"Range": "0-0", "Range-Unit": "items", "Prefer": "count=exact"}, None, 206, 1),
    ("GET", "markets", "anon", {"Range": "nonsense"}, None, 200, 2),
    ("GET", "markets", "anon", {"Accept": "text/html, */*;q=0.1"}, None, 200, 2),
    # ratings
    ("GET", "ratings?select=id", "anon", {}, None, 200, 3),
    ("GET", "ratings?select=rating&market_id=eq.<now>", "anon", {}, None, 200, 3),
    ("GET", f"ratings?select=*&user_id=eq.{ME}&order=created_at.desc", ME, {}, None, 200, 2),
    ("GET", f"ratings?select=*&user_id=eq.{ME}", OTHER, {}, None, 200, 0),
    ("GET", f"ratings?select=*&user_id=eq.{ME}", "anon", {}, None, 200, 0),
    ("GET", "ratings?mobilepay_phone=eq.12345678", "anon", {}, None, 200, 0),
    ("GET", "ratings?id=eq.nonsense", ME, {}, None, 400, "22P02"),
    ("GET", "ratings?stall_name=eq.%00", ME, {}, None, 400, "22021"),
    ("GET", "ratings?select=id", ME, {"Accept": "text/csv"}, None, 200, "csv"),
    ("GET", "ratings?select=id,stall_name&stall_name=eq.Bod+7+%26+s%C3%B8n", ME, {}, None, 200, 1),
    ("GET", f"ratings?select=id,rating_type&user_id=eq.{ME}&stall_name=is.null", ME, {}, None, 200, 1),
    ("POST", "ratings", "anon", {}, {"user_id": ME, "market_id": "<soon>", "rating": 5}, 401, "42501"),
    ("POST", "ratings", OTHER, {}, {"user_id": ME, "market_id": "<soon>", "rating": 5}, 403, "42501"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": "<soon>", "rating": 5}, 201, None),
    ("POST", "ratings", ME, RETURN, {"user_id": ME, "market_id": "<soon>", "rating": 5}, 201, 1),
    (
        "POST",
        "ratings?select=id",
        ME,
        {**RETURN, **OBJECT},
        {"user_id": ME, "market_id": "<over>", "rating": 1},
        201,
        "object",
    ),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": "<soon>", "rating": 11}, 400, "23514"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": "<soon>", "rating": "many"}, 400, "22P02"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": "<soon>"}, 400, "23502"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": str(uuid.uuid4()), "rating": 5}, 409, "23503"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "market_id": "<soon>", "rating": 5, "stars": 1}, 400, "PGRST204"),
    ("POST", "ratings", ME, {}, {"user_id": ME, "id": str(uuid.uuid4())}, 403, "42501"),
    ("POST", "ratings", ME, {}, [{"user_id": ME, "market_id": "<soon>", "rating": 5}] * 2, 201, None),
    (
        "POST",
        "ratings?columns=user_id,market_id,rating",
        ME,
        {},
        [{"user_id": ME, "market_id": "<soon>", "rating": 5, "ignored": 1}],
        201,
        None,
    ),
    ("POST", "ratings", ME, {}, "text", 400, "PGRST102"),
    ("POST", "ratings", ME, {"Prefer": "handling=strict, anything"}, {"user_id": ME}, 400, "PGRST122"),
    (
        "POST",
        "ratings?on_conflict=user_id,market_id,stall_name",
        ME,
        {"Prefer": "resolution=merge-duplicates,return=representation"},
        {"user_id": ME, "market_id": "<now>", "rating": 4},
        201,
        1,
    ),
    (
        "PATCH",
        f"ratings?user_id=eq.{ME}",
        ME,
        {"Prefer": "handling=strict,max-affected=1"},
        {"rating": 2},
        400,
        "PGRST124",
    ),
    ("PATCH", f"ratings?user_id=eq.{ME}", ME, {"Prefer": "tx=rollback,return=representation"}, {"rating": 2}, 200, 2),
    ("DELETE", f"ratings?user_id=eq.{ME}", ME, {**RETURN, **OBJECT}, None, 406, "PGRST116"),
    ("PATCH", "ratings?id=eq.<user-me-market>&select=id", ME, RETURN, {"rating": 2}, 200, 1),
    ("PATCH", "ratings?id=eq.<user-me-market>", ME, {}, {"rating": 2}, 204, None),
    ("PATCH", "ratings?id=eq.<user-me-market>&select=id", ME, {**RETURN, **OBJECT}, {"rating": 2}, 200, "object"),
    ("PATCH", "ratings?id=eq.<user-other-market>&select=id", ME, {**RETURN, **OBJECT}, {"rating": 2}, 406, "PGRST116"),
    ("PATCH", "ratings?id=eq.<user-other-market>", ME, RETURN, {"rating": 2}, 200, 0),
    ("PATCH", "ratings?id=eq.<user-me-market>", "anon", {}, {"rating": 2}, 401, "42501"),
    ("PATCH", "ratings", ME, {}, {"rating": 2}, 400, "21000"),
    ("PATCH", "ratings?id=eq.<user-me-market>", ME, {}, {"user_id": OTHER}, 403, "42501"),
    ("PATCH", "ratings?id=eq.<user-me-market>", ME, {}, {"rating": 0}, 400, "23514"),
    ("PATCH", "ratings?id=eq.<user-me-market>", ME, {}, [1], 400, "PGRST102"),
    ("DELETE", "ratings?id=eq.<user-me-market>", ME, {}, None, 204, None),
    ("DELETE", "ratings?id=eq.<user-me-market>", ME, RETURN, None, 200, 1),
    ("DELETE", "ratings?id=eq.<user-other-market>", ME, RETURN, None, 200, 0),
    ("DELETE", "ratings", ME, {}, None, 400, "21000"),
    ("DELETE", "ratings?id=eq.<user-me-market>", "anon", {}, None, 401, "42501"),
    ("DELETE", "markets?id=eq.<now>", ADMIN, {}, None, 403, "42501"),
    ("POST", "markets", ADMIN, {}, {"name": "x"}, 403, "42501"),
    # events
    (
        "POST",
        "events?select=id",
        ME,
        {**RETURN, **OBJECT},
        {
            "user_id": ME,
            "event_type": "market_selected",
            "entity_type": "market",
            "entity_id": "1",
            "metadata": {"a": 1},
            "timestamp": "2026-01-01T12:00:00Z",
        },
        201,
        "object",
    ),
    (
        "POST",
        "events",
        ME,
        {},
        {"user_id": OTHER, "event_type": "market_viewed", "entity_type": "market"},
        403,
        "42501",
    ),
    ("POST", "events", ME, {}, {"user_id": ME, "event_type": "unheard_of", "entity_type": "market"}, 400, "23514"),
    ("POST", "events", ME, {}, {"user_id": ME, "event_type": "photo_added"}, 400, "23502"),
    (
        "POST",
        "events",
        "anon",
        {},
        {"user_id": ME, "event_type": "market_viewed", "entity_type": "market"},
        401,
        "42501",
    ),
    (
        "GET",
        f"events?select=entity_id,metadata&user_id=eq.{ME}&event_type=eq.market_selected&order=timestamp.desc&limit=1",
        ME,
        OBJECT,
        None,
        200,
        "object",
    ),
    (
        "GET",
        f"events?select=entity_id,metadata&user_id=eq.{OTHER}&event_type=eq.market_selected&order=timestamp.desc&limit=1",
        OTHER,
        OBJECT,
        None,
        406,
        "PGRST116",
    ),
    ("GET", "events?select=*", "anon", {}, None, 200, 0),
    # admins
    ("GET", "scraping_logs?select=*&order=scraped_at.desc&limit=5", ADMIN, {}, None, 200, 0),
    ("GET", "scraping_logs?select=*", ME, {}, None, 403, "42501"),
    ("GET", "scraping_logs?select=*", "anon", {}, None, 401, "42501"),
    ("GET", "markets?select=scraped_at,name&order=scraped_at.desc&limit=3", "anon", {}, None, 200, 2),
    # functions
    ("POST", "rpc/current_user_is_admin", "anon", {}, {}, 200, False),
    ("GET", "rpc/current_user_is_admin", ADMIN, {}, None, 200, True),
    ("GET", f"rpc/user_is_admin?user_id={ADMIN}", ADMIN, {}, None, 200, True),
    ("POST", "rpc/current_user_is_admin", ADMIN, {}, {}, 200, True),
    ("POST", "rpc/current_user_is_admin", ME, {}, None, 200, False),
    ("POST", "rpc/user_is_admin", ADMIN, {}, {"user_id": ADMIN}, 200, True),
    ("POST", "rpc/user_is_admin", ADMIN, {}, {"user_id": ME}, 200, False),
    ("POST", "rpc/user_is_admin", "anon", {}, {"user_id": ADMIN}, 401, "42501"),
    ("POST", "rpc/grant_admin_rights", ADMIN, {}, {"target_user_id": ME, "notes": "x"}, 200, ME),
    ("POST", "rpc/grant_admin_rights", OTHER, {}, {"target_user_id": OTHER}, 403, "42501"),
    ("POST", "rpc/revoke_admin_rights", ADMIN, {}, {"target_user_id": ME}, 200, True),
    ("POST", "rpc/grant_admin_rights", ADMIN, {}, {"user": 1}, 404, "PGRST202"),
    ("POST", "rpc/pg_sleep", ADMIN, {}, {"a": 1}, 404, "PGRST202"),
    ("POST", "rpc/grant_admin_rights", ADMIN, {}, [1], 400, "PGRST102"),
]


class TestCases:
    @pytest.mark.timeout(900)
    async def test_all(self, world: World, session: AsyncSession) -> None:
        """Status, code or number of rows of each; all of them in one world, each on the rows it began with."""
        assert len(CASES) >= 120
        wrong = []
        snapshot = [dict(row) for row in (await session.execute(text("SELECT * FROM ratings"))).mappings()]
        await session.commit()
        for method, path, who, headers, body, status, expected in CASES:
            answer = await world.ask(method, path, who, headers=headers, json=self.filled(world, body))
            if not self.matches(answer, status, expected):
                wrong.append((method, path[:80], who, headers, answer.status_code, answer.text[:200]))
            if method != "GET" and answer.status_code < 300:
                await session.execute(text("DELETE FROM ratings"))
                for row in snapshot:
                    names = ", ".join(row)
                    await session.execute(
                        text(f"INSERT INTO ratings ({names}) VALUES ({', '.join(':' + name for name in row)})"),  # noqa: S608 - names of columns
                        row,
                    )
                await session.commit()
        assert not wrong, "\n".join(str(case) for case in wrong)

    @staticmethod
    def filled(world: World, body: Any) -> Any:
        """Put ids into a body."""
        if isinstance(body, list):
            return [TestCases.filled(world, item) for item in body]
        if isinstance(body, dict):
            return {key: world.ids.get(str(value).strip("<>"), value) for key, value in body.items()}
        return body

    @staticmethod
    def matches(answer: httpx.Response, status: int, expected: Any) -> bool:
        """Compare an answer with a case."""
        if answer.status_code != status:
            return False
        if expected is None or expected == "csv":
            return status < 300 and (expected is None or answer.headers["content-type"].startswith("text/csv"))
        document = answer.json()
        if status >= 400:
            return set(document) == {"code", "details", "hint", "message"} and document["code"] == expected
        if expected == "object":
            return isinstance(document, dict)
        if isinstance(expected, bool | str):
            return document == expected
        return isinstance(document, list) and len(document) == expected


class TestAnswers:
    async def test_a_market_has_what_the_app_reads(self, world: World) -> None:
        """Every column, numbers and plain dates, and the count of its ratings."""
        answer = await world.ask("GET", "markets?select=*,ratings_count:ratings(count)&id=eq.<now>")
        market = answer.json()[0]
        assert market["ratings_count"] == [{"count": 3}]
        assert market["start_date"] == today_in_denmark().isoformat()
        assert {"id", "name", "loppemarkeder_nu", "scraped_at", "latitude"} <= set(market)
        assert answer.headers["content-range"] == "0-0/*"

    async def test_the_total_of_a_head(self, world: World) -> None:
        """`count=exact` without a body."""
        answer = await world.ask("HEAD", "markets?select=*", headers={"Prefer": "count=exact"})
        assert (answer.status_code, answer.headers["content-range"], answer.content) == (200, "0-1/2", b"")

    async def test_others_stay_anonymous(self, world: World) -> None:
        """Neither whose rating it is nor their number; one's own is whole."""
        seen = (await world.ask("GET", "ratings?select=*", ME)).json()
        assert {row["user_id"] for row in seen} == {ME, None}
        assert all((row["mobilepay_phone"] is None) == (row["user_id"] is None) for row in seen)

    async def test_a_second_rating_changes_the_first(self, world: World) -> None:
        """The same user, market and stall: one row, the same id, the new number."""
        body = {"user_id": ME, "market_id": world.ids["now"], "rating": 1, "stall_name": None, "rating_type": "market"}
        answer = await world.ask("POST", "ratings?select=id,rating", ME, headers={**RETURN, **OBJECT}, json=body)
        assert answer.json() == {"id": world.ids["user-me-market"], "rating": 1}
        assert len((await world.ask("GET", "ratings?select=id")).json()) == 3

    async def test_a_browser_may_ask(self, world: World) -> None:
        """A preflight with the headers of the client library, and what it reads of the answer."""
        answer = await world.client.options(
            "/rest/v1/ratings",
            headers={
                "Origin": "http://localhost:8081",
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "apikey,authorization,content-profile,prefer,x-client-info",
            },
        )
        assert answer.status_code == 200
        listed = await world.ask("GET", "ratings", headers={"Origin": "http://localhost:8081"})
        assert "Content-Range" in listed.headers["access-control-expose-headers"]

    async def test_an_expired_token(self, world: World, sign: Any) -> None:
        """A code of its own, so that the client refreshes."""
        headers = {"apikey": KEY, **sign(ME, exp=1_000_000_000)}
        answer = await world.client.get("/rest/v1/markets", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "PGRST303")
