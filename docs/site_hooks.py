"""Hooks of mkdocs: the README is the first page, and links into the source tree become plain words."""

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

DOCS: Final = Path(__file__).resolve().parent
_LINK: Final = re.compile(r"(?<!!)\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)")
# The second word of a command block says how the tests run it.
_HOW: Final = re.compile(r"^```sh \w+$", re.MULTILINE)
_FETCHED: Final = re.compile(
    r"<(?:script|img|iframe)[^>]* src=\"?https?://[^\"\s>]*|<link[^>]*stylesheet[^>]*https?://[^>]*"
)


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 - mkdocs' own types
    """Add the README as `index.md`, as if it lay in `docs/`."""
    text = DOCS.with_name("README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - mkdocs' own types
    """Keep links between pages and to elsewhere; of one that leaves `docs/`, keep the words."""
    folder = (DOCS / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = link["target"].partition("#")[0]
        path = (folder / target).resolve()
        outside = not path.is_relative_to(DOCS) or path.is_dir() or path.suffix == ".py" or not path.exists()
        return link["words"] if target and "://" not in target and outside else link[0]

    return _HOW.sub("```sh", _LINK.sub(shown, markdown))


def on_post_page(output: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - mkdocs' own types
    """Return the page as it is; end the build when a reader without internet would miss a part of it."""
    if fetched := _FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} asks the internet for {fetched[0]!r}")
    return output
