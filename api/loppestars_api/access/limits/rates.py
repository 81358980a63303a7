"""Rate limits as numbers; counting is elsewhere."""

from dataclasses import dataclass
from typing import Self

from loppestars_api.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` sustained (0: unlimited) and `burst` at once. `name` keeps the counts of limits apart."""

    name: str
    per_minute: int
    burst: int

    @property
    def unlimited(self) -> bool:
        return self.per_minute == 0

    @property
    def interval(self) -> float:
        """Seconds between two requests at the sustained rate."""
        return 60.0 / self.per_minute


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits that the settings ask for."""

    requests: Rate
    photos: Rate
    triggers: Rate
    exports: Rate
    strangers: Rate
    auth_failures: Rate
    sign_ins: Rate

    @classmethod
    def of(cls, settings: LimitSettings) -> Self:
        """Return the limits of `settings`."""
        sign_ins = settings.rate_limit_sign_ins_per_minute
        triggers, failures = settings.rate_limit_triggers_per_minute, settings.rate_limit_auth_failures_per_minute
        exports, strangers = settings.rate_limit_exports_per_minute, settings.rate_limit_strangers_per_minute
        return cls(
            requests=Rate("lists", settings.rate_limit_lists_per_minute, settings.rate_limit_lists_per_minute),
            photos=Rate("photos", settings.rate_limit_photos_per_minute, settings.rate_limit_photos_burst),
            triggers=Rate("triggers", triggers, max(triggers, 1)),
            exports=Rate("exports", exports, max(exports, 1)),
            strangers=Rate("strangers", strangers, max(strangers, 1)),
            auth_failures=Rate("auth_failures", failures, max(failures, 1)),
            sign_ins=Rate("sign_ins", sign_ins, max(sign_ins, 1)),
        )
