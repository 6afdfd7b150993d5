# Airflow's official image (slim: without providers that nobody here uses), what Upkeep needs at the locks' versions, Upkeep. Settings and secrets come
# when it runs: docker-compose.yaml.
FROM apache/airflow:slim-3.3.2-python3.11

COPY requirements.txt /tmp/upkeep/
COPY compose/requirements.txt /tmp/upkeep/compose/
RUN pip install --no-cache-dir --require-hashes -r /tmp/upkeep/requirements.txt -r /tmp/upkeep/compose/requirements.txt

# Where --sandbox writes its config; a volume takes over whose it is.
RUN mkdir -p /opt/airflow/sandbox-config

COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY include /opt/airflow/include
COPY compose /opt/airflow/compose
ENV PYTHONPATH=/opt/airflow/plugins
