"""Pages of HTML, whatever their bytes look like."""

from functools import cached_property
from typing import Generic, TypeVar

import parsel
from web_poet import WebPage

Item = TypeVar("Item")


class HtmlPage(WebPage[Item], Generic[Item]):
    """A page that is read as HTML: a body that happens to be JSON is a page without a table, not an error."""

    @cached_property
    def selector(self) -> parsel.Selector:
        return parsel.Selector(text=self.response.text, type="html", base_url=str(self.response.url))
