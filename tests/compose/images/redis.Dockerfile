# Stands in for docker.io/library/redis:7.2-bookworm: Debian's Redis 7, as the user that owns /data.
FROM localhost/upkeep-debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null \
    && rm -rf /var/lib/apt/lists/* && mkdir -p /data && chown redis /data
COPY redis.sh /entrypoint
VOLUME /data
WORKDIR /data
ENTRYPOINT ["/entrypoint"]
CMD ["redis-server"]
