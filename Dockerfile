# One image for every role: `slipway api`, `slipway worker`, `slipway agent`, and the command line itself.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM python:3.11-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/slipway
WORKDIR /build
# Dependencies first: they change less often than the code, and this layer is the slow one.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-default-groups --extra storage --no-install-project
COPY . .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-default-groups --extra storage --no-editable

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 slipway \
    && useradd --uid 10001 --gid slipway --create-home --shell /usr/sbin/nologin slipway \
    && install --directory --owner=slipway --group=slipway /var/lib/slipway
COPY --from=build /opt/slipway /opt/slipway
ENV PATH=/opt/slipway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The agent keeps its credential, leases, workspaces and logs below this folder; mount a volume there.
WORKDIR /var/lib/slipway
USER slipway
ENTRYPOINT ["slipway"]
CMD ["--help"]
