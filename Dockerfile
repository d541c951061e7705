# One image for driver, workers, scheduler and tests: Python, a JRE 17, the locked packages, the pinned jars, the project.
# bookworm is the newest Debian that still has Java 17.
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps tini \
 && rm -rf /var/lib/apt/lists/*

# Spark is the one in the pip package; pip puts its spark-class and spark-submit on PATH.
ENV SPARK_HOME=/usr/local/lib/python3.12/site-packages/pyspark \
    SPARK_CONF_DIR=/opt/tollgate/conf \
    PYTHONUNBUFFERED=1

# The number is fixed because the files in the volumes belong to it; a new volume takes the owner of /data.
RUN useradd --create-home --uid 1000 tollgate \
 && install --directory --owner=tollgate --group=tollgate /opt/tollgate /data
WORKDIR /opt/tollgate

COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt \
 && test -x "$SPARK_HOME/bin/spark-class"

# The jars depend on these files alone, so another change does not fetch them again.
# A repository of your own: docker compose build --build-arg DEFAULT_ARTIFACT_REPOSITORY=...
ARG DEFAULT_ARTIFACT_REPOSITORY
COPY --chown=tollgate:tollgate conf/jars.txt conf/
COPY --chown=tollgate:tollgate tollgate/__init__.py tollgate/
COPY --chown=tollgate:tollgate tollgate/platform tollgate/platform/
USER tollgate
RUN python -m tollgate.platform.jars

COPY --chown=tollgate:tollgate . .
USER root
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
USER tollgate

# tini passes a signal on to the whole group: a job is a Python with a JVM below it, and neither answers as process 1.
ENTRYPOINT ["tini", "-g", "--"]
CMD ["tollgate", "--help"]
