"""Pages as text, whatever their bytes look like."""

from functools import cached_property
from typing import Generic, TypeVar

import parsel
from web_poet import WebPage

from loppestars_crawler.reading.encoding import decode_page

Item = TypeVar("Item")


class TextPage(WebPage[Item], Generic[Item]):
    """A page whose bytes are read in the encoding that they really are in."""

    @cached_property
    def text(self) -> str:
        """The page's text."""
        return decode_page(self.response.body, self.response.headers.get("Content-Type"))


class HtmlPage(TextPage[Item], Generic[Item]):
    """A page that is read as HTML: a body that happens to be JSON is a page without a table, not an error."""

    @cached_property
    def selector(self) -> parsel.Selector:
        return parsel.Selector(text=self.text, type="html", base_url=str(self.response.url))
