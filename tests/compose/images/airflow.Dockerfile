# Stands in for docker.io/apache/airflow:slim-3.3.2-python3.11: what Upkeep's Dockerfile and docker-compose.yaml need of it.
# The user airflow (50000, group root), /opt/airflow, pip without root, curl, and the entrypoint's ways.
# Airflow itself comes with requirements.txt.
FROM localhost/upkeep-debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \
      python3 python3-venv curl dumb-init >/dev/null && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 50000 --gid 0 --create-home airflow && mkdir -p /opt/airflow/logs && chown -R airflow:root /opt/airflow
COPY entrypoint.sh /entrypoint
USER airflow
RUN python3 -m venv /home/airflow/.local
ENV PATH=/home/airflow/.local/bin:/usr/local/bin:/usr/bin:/bin AIRFLOW_HOME=/opt/airflow
WORKDIR /opt/airflow
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint"]
