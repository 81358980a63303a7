"""The app's cards: 50 at once by each of 100 simulated users, and the same SQL through a bare Starlette app, in turns.

Goals: p99 of a card under 300 ms while 100 users look at 50 cards each, no error; at least 0.7 of the bare app's
requests a second.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final

import psycopg

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bench_api import Server, database, running  # noqa: E402 - found by the line above
from load import Client, Load, summary  # noqa: E402 - found by the line above

KEY: Final = "sb_publishable_of_the_benchmark"
GOAL_RATIO, GOAL_P99 = 0.7, 300.0
CARDS, USERS, CONNECTIONS, PHONE_CONNECTIONS = 50, 100, 16, 6
HEADERS: Final = (
    f"apikey: {KEY}\r\nAuthorization: Bearer {KEY}\r\nAccept-Profile: public\r\nX-Client-Info: supabase-js\r\n"
)
_RATINGS: Final = """
INSERT INTO users (id) SELECT 'visitor-' || n FROM generate_series(1, 200) AS n;
INSERT INTO ratings (id, user_id, market_id, rating, rating_type)
  SELECT gen_random_uuid(), 'visitor-' || n, market.id, 1 + (n * 7 + market.place) % 10, 'market'
  FROM (SELECT id, row_number() OVER (ORDER BY id)::int AS place FROM markets LIMIT 2000) AS market,
       generate_series(1, 12) AS n
"""


def fill(url: str) -> list[str]:
    """Rate 2,000 markets a dozen times each; return their ids."""
    with psycopg.connect(url, options="-c loppestars.role=system", autocommit=True) as connection:
        for statement in _RATINGS.split(";"):
            connection.execute(statement.encode())
        connection.execute("ANALYZE")
        return [str(row[0]) for row in connection.execute("SELECT DISTINCT market_id FROM ratings ORDER BY 1")]


def card(market: str) -> str:
    return f"/rest/v1/ratings?select=rating&market_id=eq.{market}"


async def screens(server: Server, markets: list[str], seconds: float) -> Load:
    """100 users open a screen of 50 cards each, over `seconds`; a card is timed from its screen's opening."""
    latencies: list[float] = []
    statuses: list[int] = []
    random = Random(7)  # noqa: S311 - the same cards each time

    async def user(number: int) -> None:
        await asyncio.sleep(seconds * number / USERS)
        shown = random.sample(markets, CARDS)
        opened = time.perf_counter()
        # A phone keeps a handful of connections; a card that waits for one of them waits all the same.
        clients = [Client(server.url("/"), HEADERS) for _ in range(PHONE_CONNECTIONS)]

        async def through(client: Client, own: list[str]) -> None:
            for market in own:
                statuses.append(await client.ask(card(market)))
                latencies.append((time.perf_counter() - opened) * 1000)

        places = enumerate(clients)
        await asyncio.gather(*(through(client, shown[place::PHONE_CONNECTIONS]) for place, client in places))
        for client in clients:
            client.close()

    started = time.perf_counter()
    await asyncio.gather(*(user(number) for number in range(USERS)))
    return summary(latencies, statuses, time.perf_counter() - started)


async def full_speed(server: Server, markets: list[str], seconds: float) -> Load:
    """As many cards as `CONNECTIONS` clients can ask, each as soon as it has its answer."""
    latencies: list[float] = []
    statuses: list[int] = []
    end = time.perf_counter() + seconds

    async def ask(place: int) -> None:
        client, random = Client(server.url("/"), HEADERS), Random(place)  # noqa: S311 - see above
        while (started := time.perf_counter()) < end:
            statuses.append(await client.ask(card(random.choice(markets))))
            latencies.append((time.perf_counter() - started) * 1000)
        client.close()

    await asyncio.gather(*(ask(place) for place in range(CONNECTIONS)))
    return summary(latencies, statuses, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each server (default 7)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a turn (default 3)")
    parser.add_argument("--spread", type=float, default=10, help="seconds in which 100 users come (default 10)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    arguments = parser.parse_args()
    with database(3000) as url, tempfile.TemporaryDirectory() as name:
        markets, folder = fill(url), Path(name)
        environment = {
            "DATABASE_URL": url,
            "STORAGE_DIR": str(folder / "storage"),
            "PORT": "0",
            "METRICS_PORT": "0",
            "METRICS_HOST": "127.0.0.1",
            "ANON_KEYS": KEY,
            "RATE_LIMIT_LISTS_PER_MINUTE": "100000000",
            **{key: os.environ[key] for key in ("ACCESS_LOG", "LOG_LEVEL") if key in os.environ},
        }
        api_command = [str(Path(sys.executable).with_name("loppestars-api"))]
        bare_command = [sys.executable, str(ROOT / "benchmarks" / "bare_cards.py")]
        path = f"/rest/v1/ratings?select=rating&market_id=eq.{markets[0]}&apikey={KEY}"
        with (
            running("api", api_command, environment, folder / "api.log", path) as api,
            running("bare", bare_command, environment, folder / "bare.log", path) as bare,
        ):
            rates: dict[str, list[float]] = {"api": [], "bare": []}
            work: dict[str, list[float]] = {"api": [], "bare": []}
            failures = 0
            for number in range(arguments.rounds):
                for server in (api, bare) if number % 2 == 0 else (bare, api):
                    before = server.processor()
                    load = asyncio.run(full_speed(server, markets, arguments.seconds))
                    rates[server.name].append(load.rate)
                    work[server.name].append(
                        (server.processor() - before) * 1000 / max(load.rate * arguments.seconds, 1)
                    )
                    failures += load.failures
            seen = asyncio.run(screens(api, markets, arguments.spread))
    ratio = statistics.median(
        api_rate / bare_rate for api_rate, bare_rate in zip(rates["api"], rates["bare"], strict=True)
    )
    failures += seen.failures
    ours, theirs = statistics.median(work["api"]), statistics.median(work["bare"])
    print(f"processor        api {ours:.2f} ms per card  bare Starlette {theirs:.2f} ms  ratio {theirs / ours:.2f}")
    print(
        f"cards            api {statistics.median(rates['api']):7.0f}/s  bare Starlette"
        f" {statistics.median(rates['bare']):7.0f}/s  ratio {ratio:.2f} (goal {GOAL_RATIO})\n"
        f"100 x 50 cards   {seen.rate:7.0f}/s  median {seen.median:.0f} ms  p99 {seen.p99:.0f} ms"
        f" (goal {GOAL_P99:.0f})  failures {failures}"
    )
    sys.exit(int(arguments.strict and (ratio < GOAL_RATIO or seen.p99 >= GOAL_P99 or failures > 0)))


if __name__ == "__main__":
    main()
