"""Settings."""

from loppestars_crawler.settings import CrawlerSettings


class TestSettings:
    """What `--help` lists."""

    def test_every_setting_has_a_purpose(self) -> None:
        """Expect each variable with its purpose."""
        assert all(field.description for field in CrawlerSettings.model_fields.values())
