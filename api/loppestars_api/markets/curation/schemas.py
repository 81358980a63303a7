"""What admins send and read about a market: corrections, sources, changes, pairs and decisions."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loppestars_core.markets.models import MarketDecision
from loppestars_core.markets.pairs import Pair
from loppestars_core.markets.sighting import SourceMarket

# What is never null, whoever says it.
_REQUIRED: Final = frozenset(
    {"name", "category", "start_date", "end_date", "state", "has_food", "has_parking", "has_toilets", "has_wifi"}
    | {"is_indoor", "is_outdoor"}
)
_NO_NUL: Final = r"^[^\u0000]*$"
_Short = Annotated[str, Field(min_length=1, max_length=300, pattern=_NO_NUL)]
_Long = Annotated[str, Field(max_length=10_000, pattern=_NO_NUL)]
_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2099, 12, 31))]
Reason = Annotated[str | None, Field(max_length=500, pattern=_NO_NUL, description="Why, for those who read it later.")]


class CorrectionRequest(BaseModel):
    """Fields to correct; those that are left out stay as sources say them. Null says that there is none."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"opening_hours": "10:00-15:00", "state": "cancelled"}]}
    )

    state: Literal["scheduled", "cancelled", "postponed", "vanished"] | None = None
    name: _Short | None = None
    municipality: _Short | None = None
    category: _Short | None = None
    start_date: _Day | None = None
    end_date: _Day | None = None
    address: _Short | None = None
    city: _Short | None = None
    postal_code: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    description: _Long | None = None
    organizer_name: _Short | None = None
    organizer_phone: _Short | None = None
    organizer_email: _Short | None = None
    organizer_website: _Short | None = None
    opening_hours: _Short | None = None
    entry_fee: Annotated[Decimal, Field(ge=0, le=99_999, decimal_places=2, allow_inf_nan=False)] | None = None
    stall_count: Annotated[int, Field(ge=0, le=100_000)] | None = None
    has_food: bool | None = None
    has_parking: bool | None = None
    has_toilets: bool | None = None
    has_wifi: bool | None = None
    is_indoor: bool | None = None
    is_outdoor: bool | None = None
    special_features: _Long | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing to correct: name at least one field")
        if empty := sorted(name for name in _REQUIRED & self.model_fields_set if getattr(self, name) is None):
            raise ValueError(f"{', '.join(empty)} cannot be null")
        if ("latitude" in self.model_fields_set) != ("longitude" in self.model_fields_set) or (
            (self.latitude is None) != (self.longitude is None)
        ):
            raise ValueError("latitude and longitude go together: correct both or neither")
        return self


class SourceRecord(BaseModel):
    """A source that lists a market."""

    source: str = Field(examples=["loppemarkeder"])
    external_id: str = Field(description="What the source calls it.")
    url: str | None
    state: Literal["listed", "missed", "vanished", "cancelled", "postponed"] = Field(
        description="`missed`: not in its last crawl; `vanished`: not in its last two; the others: as it says."
    )
    first_seen_at: datetime
    last_seen_at: datetime
    missed_crawls: int
    name: str
    start_date: date
    end_date: date


class CorrectionRecord(BaseModel):
    """A correction that holds now."""

    field: str
    value: Any
    set_at: datetime
    set_by: str | None = Field(description="The admin's user id; null when the account is gone, or by command.")


class ChangeRecord(BaseModel):
    """A field that became another one."""

    at: datetime
    by: str = Field(description="A source, `admin`, or `loppestars` for what followed by itself.")
    who: str | None = Field(description="The admin's user id.")
    field: str
    before: Any
    after: Any


class ListingRecord(BaseModel):
    """What a source says of one of two markets."""

    market_id: UUID
    source: str
    external_id: str
    name: str
    start_date: date
    end_date: date
    address: str | None
    postal_code: str | None
    city: str | None
    url: str | None

    @classmethod
    def of(cls, market_id: UUID, said: SourceMarket) -> Self:
        """Return what is shown of a listing."""
        shown = {name: getattr(said, name) for name in cls.model_fields if name != "market_id"}
        return cls(market_id=market_id, **shown)


class PairRecord(BaseModel):
    """Two markets that may be one."""

    score: float = Field(ge=0, le=1)
    reasons: list[str]
    market: ListingRecord
    other: ListingRecord

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Return a pair as it is shown."""
        return cls(
            score=pair.match.score,
            reasons=list(pair.match.reasons),
            market=ListingRecord.of(pair.market_id, pair.listings[0]),
            other=ListingRecord.of(pair.other_id, pair.listings[1]),
        )


class PairDecision(BaseModel):
    """Whether two markets are one."""

    model_config = ConfigDict(extra="forbid")

    market_id: UUID = Field(description="The id that stays when they are one.")
    other_id: UUID
    same: bool
    reason: Reason = None


class SplitRequest(BaseModel):
    """Which sources of a market mean another one."""

    model_config = ConfigDict(extra="forbid")

    sources: list[Annotated[str, Field(max_length=63)]] = Field(min_length=1, max_length=20, examples=[["calendar"]])
    reason: Reason = None


class DecisionRecord(BaseModel):
    """A decision; `revoked_at` is when it was undone or replaced by a newer one."""

    id: int
    kind: Literal["same", "different", "split"]
    automatic: bool
    market_id: UUID
    other_market_id: UUID | None = Field(description="The market that was joined, kept apart, or split off.")
    listings: list[str] = Field(description="Source and id of the listings on one side.")
    other_listings: list[str]
    score: float | None
    reasons: list[str]
    made_at: datetime
    made_by: str | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, decision: MarketDecision) -> Self:
        """Return a decision as it is shown."""
        names = {"listings": "keys", "other_listings": "other_keys"}
        return cls.model_validate({name: getattr(decision, names.get(name, name)) for name in cls.model_fields})
