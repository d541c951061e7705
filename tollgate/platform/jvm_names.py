"""Names of the JVM looked up once: a plan of some thousand expressions asks for the same few of them each time."""

from __future__ import annotations

from typing import Any

from py4j.java_gateway import JavaPackage

# As PySpark spells them: the functions of SQL, what turns lists and lambdas into Scala's, the session; then packages.
_NAMES = (
    "functions", "org.apache.spark.sql.functions", "PythonUtils", "PythonSQLUtils",
    "org.apache.spark.sql.classic.SparkSession", "org.apache.spark.sql.expressions.Window",
    "org.apache.spark.sql.internal.SQLConf", "org.apache.spark.util.Utils",
    "org", "scala", "java", "io", "py4j",
)  # fmt: skip


class _Kept:
    """A class or package of the JVM whose members are asked for once each."""

    def __init__(self, of_jvm: Any) -> None:
        self._of_jvm = of_jvm

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._of_jvm, name)
        member = _Kept(member) if isinstance(member, JavaPackage) else member
        setattr(self, name, member)
        return member

    def __call__(self, *arguments: Any) -> Any:
        """A new object of the class: the second session of a process is made after names are kept."""
        return self._of_jvm(*arguments)


def keep_names(jvm: Any) -> None:
    """Let the gateway's view of a JVM remember what PySpark and `Lake` ask it for with every column and every commit.

    Each question is a round trip, in which the JVM looks for the class in every jar of every imported package and then
    copies the list of its methods. A name never comes to mean another class while the JVM lives.
    """
    for name in _NAMES:
        if not isinstance(vars(jvm).get(name), _Kept):
            setattr(jvm, name, _Kept(getattr(jvm, name)))
