"""How S3 servers are reached, for whatever lies there."""

from typing import Annotated, Final

from pydantic import Field

from loppestars_operator.spec.base import Model, Url
from loppestars_operator.spec.secrets import S3Secret

BUCKET: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
Bucket = Annotated[str, Field(min_length=3, max_length=63, pattern=BUCKET)]


class S3Server(Model):
    """How an S3 server is reached."""

    endpoint: Url | None = Field(None, description="URL of the S3 server; without it, Amazon's for the region.")
    region: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")] = "eu-central-1"
    path_style: bool = Field(
        default=False, description="Bucket in the path rather than in the host name: most S3 servers."
    )
    credentials_secret_ref: S3Secret | None = Field(
        None, description="Secret with the access key; without it, workload identity by serviceAccount.annotations."
    )
