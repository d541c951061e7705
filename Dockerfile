# The jobs' image: Python, a JRE 17, the locked packages, the pinned jars and the project.
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps \
 && rm -rf /var/lib/apt/lists/*

ENV TOLLGATE_HOME=/opt/tollgate \
    SPARK_CONF_DIR=/opt/tollgate/conf \
    PYTHONUNBUFFERED=1
WORKDIR /opt/tollgate

COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt

COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
 && python -m tollgate.platform.jars \
 && useradd --create-home tollgate \
 && mkdir -p /data && chown -R tollgate /data /opt/tollgate
USER tollgate

ENTRYPOINT ["tollgate"]
CMD ["--help"]
