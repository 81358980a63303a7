"""Settings of the jobs worker, from its environment."""

from croniter import croniter  # type: ignore[import-untyped]
from pydantic import Field, SecretStr, field_validator

from loppestars_core.kit.settings import (
    ComponentSettings,
    DatabaseSettings,
    PrivacySettings,
    PushSettings,
    StorageSettings,
)
from loppestars_jobs.notifying.delivery import Senders
from loppestars_jobs.notifying.mail import MailServer
from loppestars_jobs.notifying.push import PushSender


class JobsSettings(PushSettings, PrivacySettings, StorageSettings, DatabaseSettings, ComponentSettings):
    """Settings of `loppestars-jobs`."""

    drain_seconds: float = Field(30, gt=0, description="how long jobs in hand may go on at shutdown")
    erasure_schedule: str = Field(
        "37 3 * * *", description="when people whose time of grace is over are forgotten; a cron expression in UTC"
    )
    erasure_warnings_schedule: str = Field(
        "7 * * * *", description="when people are warned who will be forgotten soon; a cron expression in UTC"
    )
    notifications_schedule: str = Field(
        "* * * * * */15", description="when events are read and messages sent; a cron expression in UTC"
    )
    smtp_url: SecretStr | None = Field(
        None, description="where e-mail is handed in: smtp[s]://[user:password@]host[:port]; empty: none is sent"
    )
    mail_from: str = Field("Loppestars <no-reply@localhost>", description="sender of e-mails")
    vapid_private_key: SecretStr | None = Field(
        None, description="key that signs Web Push messages (VAPID), base64url; empty: none is sent"
    )
    vapid_subject: str = Field("mailto:no-reply@localhost", description="contact for push services, mailto: or https:")
    retention_schedule: str = Field(
        "17 * * * *", description="when rows whose time is over are deleted; a cron expression in UTC"
    )

    @field_validator("erasure_schedule", "erasure_warnings_schedule", "notifications_schedule", "retention_schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        if not croniter.is_valid(value):
            raise ValueError("expected a cron expression of five fields, e.g. 17 * * * *")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            MailServer.of_url(value.get_secret_value())
        return value

    @property
    def senders(self) -> Senders:
        """How messages leave."""
        url, key = self.smtp_url, self.vapid_private_key
        return Senders(
            mail=MailServer.of_url(url.get_secret_value()) if url else None,
            mail_from=self.mail_from,
            push=PushSender(key.get_secret_value(), self.vapid_subject) if key else None,
            push_hosts=self.push_hosts,
        )
