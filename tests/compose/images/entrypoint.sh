#!/bin/sh
# As the official entrypoint: unless told not to, it waits for the metadata before any command; `airflow` may be left out.
tries=${CONNECTION_CHECK_MAX_COUNT:-20}
while [ "$tries" != 0 ] && ! airflow db check >/dev/null 2>&1; do
  tries=$((tries - 1))
  [ "$tries" != 0 ] || exit 1
  sleep 3
done
[ "${1:-}" != airflow ] || shift
case "${1:-}" in
  bash | python) exec "$@" ;;
  *) exec airflow "$@" ;;
esac
