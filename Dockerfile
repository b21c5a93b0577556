# The image of every Airflow service: the official one (operating system, entry script, user) with this
# project's own virtual environment in front of its path.
#
# A virtual environment of our own, because installing the lock into the one the image ships would replace
# packages that its ninety-odd preinstalled providers were built against. So nothing of the image's Python is
# changed, and what runs is exactly requirements.lock: the versions the tests ran with.
#
# The tag is exact but can be moved; pin the digest as well once you have pulled it (docs/DEPLOY.md).
FROM apache/airflow:3.3.2-python3.12

# A folder that exists, owned by the image's user, hands that owner on to the named volume mounted over it.
RUN mkdir -p /opt/airflow/auth && python -m venv /opt/airflow/venv
ENV VIRTUAL_ENV=/opt/airflow/venv \
    PATH=/opt/airflow/venv/bin:$PATH

COPY --chown=airflow:0 requirements.lock /opt/airflow/
# Wheels only: the image has no compiler. pip by its own path: the entry on the path before ours is a guard for root.
RUN /opt/airflow/venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes \
        -r /opt/airflow/requirements.lock \
    && /opt/airflow/venv/bin/pip check

COPY --chown=airflow:0 tools/mongo_init.py /opt/airflow/tools/
COPY --chown=airflow:0 plugins/ /opt/airflow/plugins/
COPY --chown=airflow:0 dags/ /opt/airflow/dags/
