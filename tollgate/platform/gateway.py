"""The JVM of a local session, without the warning that it prints whenever Spark starts one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark import SparkConf

# Spark asks for vector instructions in each of its JVMs, and Java has no option to leave the remark out.
_REMARK = b"WARNING: Using incubator modules: jdk.incubator.vector"


def quiet_gateway(conf: SparkConf, variables: Mapping[str, str]) -> JavaGateway:
    """A new JVM for Spark, its stderr passed on to ours line by line, but for that one remark.

    variables: of its environment, beside our own.
    """
    from pyspark.java_gateway import launch_gateway

    reading, writing = os.pipe()
    threading.Thread(target=_pass_on, args=(reading,), name="jvm-stderr", daemon=True).start()
    try:
        with _set(variables):
            return launch_gateway(conf, popen_kwargs={"stderr": writing})
    finally:
        os.close(writing)


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    # pyspark reads some of them here, and gives its JVM the environment of this process.
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _pass_on(reading: int) -> None:
    # No file object: the interpreter cannot end while a daemon thread waits in one.
    rest = b""
    while found := os.read(reading, 65_536):
        *lines, rest = (rest + found).split(b"\n")
        os.write(2, b"".join(line + b"\n" for line in lines if line.strip() != _REMARK))
    os.write(2, rest)
    os.close(reading)
