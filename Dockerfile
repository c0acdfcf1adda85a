# impasto with its painter and the libraries for PostgreSQL and Redis: two stages, no compiler and no package manager's cache in the
# result, not root.
#
#   docker build -t impasto .
#   docker run -p 8080:8080 -e IMPASTO_API_KEY=... -e GEMINI_API_KEY=... -v impasto:/data impasto
#
# Keys, money and pictures lie in /data, unless IMPASTO_DATABASE_URL and IMPASTO_STORE_URL say otherwise.
# It runs with a read-only root file system as well: add --read-only --tmpfs /tmp.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/impasto
COPY requirements/run.txt .
RUN /opt/impasto/bin/pip install --no-cache-dir --require-hashes -r run.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/impasto/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 impasto && install -d -o impasto -g impasto /data
COPY --from=build /opt/impasto /opt/impasto
ENV PATH=/opt/impasto/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    IMPASTO_HOST=0.0.0.0 \
    IMPASTO_DATA=/data
USER impasto
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/ready', timeout=2)"]
CMD ["impasto", "serve"]
