#!/bin/sh
# As the official entrypoint: root hands /data to redis and becomes it.
set -e
if [ "$(id -u)" = 0 ]; then
  chown -R redis .
  exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
[ "${1#-}" = "$1" ] || set -- redis-server "$@"
exec "$@" --protected-mode no
