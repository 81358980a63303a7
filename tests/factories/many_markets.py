"""Fifty thousand markets over Denmark and two years, made by PostgreSQL itself within seconds."""

from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from loppestars_core.kit.folding import fold
from loppestars_core.markets.search_text import search_terms

# Town, postal code, latitude, longitude, and how many of a hundred markets are there.
_TOWNS: Final = (
    ("København", "1050", 55.676, 12.568, 22),
    ("Aarhus", "8000", 56.157, 10.211, 14),
    ("Odense", "5000", 55.396, 10.388, 10),
    ("Aalborg", "9000", 57.048, 9.919, 9),
    ("Esbjerg", "6700", 55.470, 8.452, 7),
    ("Randers", "8900", 56.461, 10.036, 6),
    ("Kolding", "6000", 55.490, 9.472, 6),
    ("Næstved", "4700", 55.230, 11.761, 6),
    ("Holstebro", "7500", 56.360, 8.616, 5),
    ("Rønne", "3700", 55.101, 14.706, 4),
    ("Sønderborg", "6400", 54.909, 9.792, 4),
    ("Hjørring", "9800", 57.464, 9.982, 4),
    ("Nykøbing Falster", "4800", 54.769, 11.874, 3),
)
_KINDS: Final = ("Loppemarked", "Kræmmermarked", "Bagagerumsmarked", "Antikmarked", "Genbrugsmarked")
_PLACES: Final = ("Torvet", "Hallen", "Havnen", "Skolen", "Kirken", "Stadion", "Parken", "Gågaden", "Forsamlingshuset")

_INSERT: Final = text("""
WITH templates AS MATERIALIZED (
  SELECT row_number() OVER () - 1 AS number, template.*,
         array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(template.terms))) AS search_terms
    FROM jsonb_to_recordset(CAST(:templates AS jsonb)) AS template (
         name text, folded text, terms jsonb, kind text, place text, town text, postal_code text,
         latitude float, longitude float)
)
INSERT INTO markets (
  id, series_id, external_id, name, municipality, category, start_date, end_date, address, city, postal_code,
  latitude, longitude, description, organizer_name, organizer_phone, organizer_email, organizer_website,
  opening_hours, entry_fee, stall_count, has_food, has_parking, is_outdoor, special_features, source_url,
  loppemarkeder_nu, search_name, search_terms)
SELECT gen_random_uuid(), gen_random_uuid(), 'many-' || n, name, town, kind,
       CURRENT_DATE - 365 + (n * 37) % 730, CURRENT_DATE - 365 + (n * 37) % 730 + n % 3,
       place || ' ' || n % 90 + 1, town, postal_code,
       latitude + (random() - 0.5) * 0.5, longitude + (random() - 0.5) * 0.8,
       'Boder med brugte ting, børnetøj, møbler og bøger. Kaffe og kage i teltet, og plads til biler bag bygningen.',
       'Foreningen i ' || town, '+45 12 34 56 78', 'marked@example.org', 'https://example.org/markeder/' || n,
       'kl. 10-16', CASE WHEN n % 4 = 0 THEN 25.00 END, n % 120, n % 2 = 0, n % 3 = 0, n % 5 > 1, 'Handicapvenlig',
       'https://example.org/kilde/' || n, '{"type": "loppemarked", "gratis": true}',
       folded, search_terms
  FROM generate_series(1, :count) AS n
  JOIN templates ON templates.number = n * 7919 % CAST(:total AS int)
""")


async def add_many_markets(connection: AsyncConnection, count: int = 50_000) -> None:
    """Insert `count` markets and let the planner know about them."""
    templates = [
        {
            "name": name,
            "folded": fold(name),
            "terms": search_terms([name, town]),
            "kind": kind,
            "place": place,
            "town": town,
            "postal_code": postal_code,
            "latitude": latitude,
            "longitude": longitude,
        }
        for town, postal_code, latitude, longitude, share in _TOWNS
        for _ in range(share)
        for kind in _KINDS
        for place in _PLACES
        for name in [f"{kind} ved {place} i {town}"]
    ]
    await connection.execute(
        _INSERT, {"templates": orjson.dumps(templates).decode(), "total": len(templates), "count": count}
    )
    await connection.commit()
    await connection.execute(text("ANALYZE markets"))
    await connection.commit()
