"""The Crawl resource: what the API creates, what the operator reads, and what becomes of a crawl's exit code."""

from typing import Final

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState

GROUP: Final = "loppestars.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "Crawl"
PLURAL: Final = "crawls"

# Any other code is a failure.
EXIT_STATES: Final = {
    ExitCode.DONE: CrawlState.SUCCEEDED,
    ExitCode.LOCKED: CrawlState.SUPERSEDED,
    ExitCode.INTERRUPTED: CrawlState.CANCELLED,
    ExitCode.TERMINATED: CrawlState.CANCELLED,
}
