"""Names of the sources that every crawler knows; a stack may add its own."""

from typing import Final

BUILT_IN_SOURCES: Final = ("markedskalenderen", "loppemarkeder")
