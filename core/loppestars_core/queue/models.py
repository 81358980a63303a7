"""Which queue a worker serves: the queue's own table of workers does not say."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base


class QueueWorker(Base):
    """A worker of another queue than the photos'. Rows of ended workers are cleared by the next that starts."""

    __tablename__ = "queue_workers"

    worker_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str]
