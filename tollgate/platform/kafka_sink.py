"""Records from a Spark plan to the topic, each with the time at which it arrived.

Spark's Kafka sink has no column for a record's time: the client would stamp the present. So the time travels as a
header, and an interceptor of the client makes it the record's CreateTime. Its few lines of Java are compiled at run
time by the compiler that Spark itself uses for its plans, into a jar that Spark hands to its executors.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from tollgate.platform.errors import TollgateError
from tollgate.platform.kafka import bootstrap
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_HEADER = "tollgate.created-ms"
_CLASS = "tollgate.CreateTime"
_JAVA = f"""
package tollgate;

import java.util.Map;
import org.apache.kafka.clients.producer.ProducerInterceptor;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;

public class CreateTime implements ProducerInterceptor {{
    public ProducerRecord onSend(ProducerRecord sent) {{
        Header time = sent.headers().lastHeader("{_HEADER}");
        if (time == null) return sent;
        sent.headers().remove("{_HEADER}");
        Long createdMs = Long.valueOf(new String(time.value()));
        return new ProducerRecord(sent.topic(), sent.partition(), createdMs, sent.key(), sent.value(), sent.headers());
    }}
    public void onAcknowledgement(RecordMetadata metadata, Exception failure) {{}}
    public void close() {{}}
    public void configure(Map settings) {{}}
}}
"""
# The same class gives the same bytes: an executor refuses another jar of a name that it has.
_DAY_ONE = (1980, 1, 1, 0, 0, 0)
# Few large batches, for each costs a request. Why so: docs/decisions/0022-a-month-moved-through-sparks-sink.md.
_CLIENT = {
    "kafka.acks": "all",
    "kafka.enable.idempotence": "true",
    "kafka.compression.type": "lz4",
    "kafka.linger.ms": "50",
    "kafka.batch.size": "1000000",
    "kafka.buffer.memory": str(64 * 1024 * 1024),
    "kafka.interceptor.classes": _CLASS,
}
_given: set[str] = set()


def write_records(records: DataFrame, settings: Settings, client: Mapping[str, str] | None = None) -> None:
    """Send the rows to the topic, acknowledged by all replicas; those of a task keep their order.

    records: `key` and `value` BINARY, `partition` INT, `created_ms` BIGINT (epoch milliseconds). client: options of the
    sink over its own. A task that is tried again sends its rows again. Raises TollgateError when the brokers did not
    take them.
    """
    _give_interceptor(records.sparkSession)
    time = F.struct(F.lit(_HEADER).alias("key"), F.col("created_ms").cast("STRING").cast("BINARY").alias("value"))
    rows = records.select("key", "value", "partition", F.array(time).alias("headers"))
    address, topic = bootstrap(settings), settings.kafka.topic
    writer = rows.write.format("kafka").options(**{**_CLIENT, **(client or {})})
    try:
        writer.option("kafka.bootstrap.servers", address).option("topic", topic).save()
    except (PySparkException, Py4JJavaError) as error:
        told = str(getattr(error, "java_exception", error)).strip().splitlines()
        raise TollgateError(
            "the Kafka broker did not take the records", where=f"{address}, topic {topic}",
            found=next((line for line in told if "kafka" in line.lower()), told[0])[:500],
            way_out="check kafka.bootstrap and that the broker runs (`tollgate status`), then run it again",
        ) from error  # fmt: skip


def _give_interceptor(spark: SparkSession) -> None:
    """Compile the interceptor and hand it to the executors, once a session."""
    session = spark.sparkContext.applicationId
    if session in _given:
        return
    jvm: Any = spark._jvm
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(jvm.java.lang.Thread.currentThread().getContextClassLoader())
    compiler.cook(_JAVA)
    compiled = bytes(compiler.getBytecodes()[_CLASS])
    # Spark reads the jar when an executor asks for it, so it stays as long as the session.
    jar = Path(tempfile.mkdtemp(prefix="tollgate-")) / "tollgate-create-time.jar"
    with zipfile.ZipFile(jar, "w") as packed:
        packed.writestr(zipfile.ZipInfo(f"{_CLASS.replace('.', '/')}.class", _DAY_ONE), compiled)
    spark.sparkContext._jsc.addJar(str(jar))
    _given.add(session)
