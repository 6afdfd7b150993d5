#!/bin/bash
# As the official entrypoint: root hands the data directory to postgres and becomes it; an empty one is initialised.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  chown postgres "$PGDATA"
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?Database is uninitialized and superuser password is not specified}"
  # shellcheck disable=SC2086  # words, as the official entrypoint takes them
  initdb -D "$PGDATA" -E UTF8 -U "${POSTGRES_USER:-postgres}" --pwfile=<(echo "$POSTGRES_PASSWORD") \
    --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
if [ "$1" = postgres ]; then
  shift
  set -- postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
