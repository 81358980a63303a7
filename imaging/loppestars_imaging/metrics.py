"""What imaging counts. Label sets exist from the start, so that a rate of zero is a zero and not a gap."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PHOTOS: Final = Counter(
    "loppestars_photos",
    "Photos by result: failed means that nothing was published although the photo may be fine",
    ["result"],
)
FACES: Final = Counter("loppestars_faces", "Faces made unrecognisable")
PIXELS: Final = Counter("loppestars_photo_pixels", "Pixels of finished photos")
PHOTO_SECONDS: Final = Histogram(
    "loppestars_photo_duration_seconds",
    "Time from taking a photo up to its record, storage included",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20, 60),
)
PHOTO_QUEUED_SECONDS: Final = Histogram(
    "loppestars_photo_queued_seconds",
    "Time from the request for a photo to its being taken up",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
ENGINES_ENDED: Final = Counter("loppestars_imaging_engines_ended", "Engine processes that ended, by reason", ["reason"])
QUEUE_JOBS: Final = Gauge("loppestars_queue_jobs", "Photo jobs by state", ["state"])
QUEUE_OLDEST: Final = Gauge("loppestars_queue_oldest_job_seconds", "Age of the photo job that has waited longest")
QUEUE_WORKERS: Final = Gauge("loppestars_queue_workers", "Workers with a recent heartbeat")
RECOVERED: Final = Counter("loppestars_queue_recovered_jobs", "Jobs taken over from workers that fell silent")
STORED_BYTES: Final = Gauge("loppestars_stored_bytes", "Bytes of stored photos by our own count")
SWEPT: Final = Counter("loppestars_swept_objects", "Objects deleted by the sweep, by kind", ["kind"])

RESULTS: Final = ("completed", "no_faces", "refused", "failed", "given_back", "lost")
for _result in RESULTS:
    PHOTOS.labels(_result)
for _reason in ("start", "timed_out", "crashed", "recycled", "stopped", "cancelled"):
    ENGINES_ENDED.labels(_reason)
for _state in ("waiting", "running"):
    QUEUE_JOBS.labels(_state)
for _kind in ("original", "temporary", "orphan"):
    SWEPT.labels(_kind)
