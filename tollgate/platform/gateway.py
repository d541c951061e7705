"""The JVM of a local session, without the warning that it prints whenever Spark starts one."""

from __future__ import annotations

import os
import threading
from subprocess import PIPE
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark import SparkConf

# Spark asks for vector instructions in each of its JVMs, and Java has no option to leave the remark out.
_REMARK = b"WARNING: Using incubator modules: jdk.incubator.vector"


def quiet_gateway(conf: SparkConf) -> JavaGateway:
    """A new JVM for Spark, its stderr passed on to ours line by line, but for that one remark."""
    from pyspark.java_gateway import launch_gateway

    gateway = launch_gateway(conf, popen_kwargs={"stderr": PIPE})
    threading.Thread(target=_pass_on, args=(gateway.proc.stderr,), name="jvm-stderr", daemon=True).start()
    return gateway


def _pass_on(lines: IO[bytes]) -> None:
    for line in lines:
        if line.strip() != _REMARK:
            os.write(2, line)
