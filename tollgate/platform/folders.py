"""A folder of files on a local disk, HDFS or an object store, by way of Hadoop's file systems.

On a local disk and on HDFS a move happens at once. An object store has no folders: a move copies file by file, and only
a single file appears whole.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.locks import writer_lock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Folder:
    """The folder `root`; names are relative to it."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root.rstrip("/")

    def path(self, name: str) -> str:
        """The full name."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file or folder of this name is there."""
        path, system = self._place(name)
        return bool(system.exists(path))

    def names(self, name: str = "") -> list[str]:
        """The names in the folder or in one of its folders; none when it is not there."""
        path, system = self._place(name)
        if not system.exists(path):
            return []
        return sorted(str(status.getPath().getName()) for status in system.listStatus(path))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it, if it is there."""
        path, system = self._place(name)
        system.delete(path, True)

    def move(self, name: str, to: str) -> None:
        """Give a file or folder another name, in the place of what has that name."""
        source, system = self._place(name)
        target, _ = self._place(to)
        # Hadoop would move into an existing folder.
        self.remove(to)
        system.mkdirs(target.getParent())
        if not system.rename(source, target):
            raise TollgateError("cannot rename", where=self.path(name), expected=f"it becomes {self.path(to)}")

    def read_text(self, name: str) -> str:
        """A small file whole, as UTF-8."""
        path, system = self._place(name)
        jvm: Any = self.spark._jvm
        stream = system.open(path)
        try:
            return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write_text(self, name: str, text: str) -> None:
        """Write a small file, whole or not at all."""
        folder, _, file = name.rpartition("/")
        unfinished = f"{folder}/.{file}.unfinished"
        path, system = self._place(unfinished)
        stream = system.create(path, True)
        try:
            stream.write(bytearray(text.encode("utf-8")))
        finally:
            stream.close()
        self.move(unfinished, name)

    def put(self, local: Path, name: str) -> None:
        """Copy a file of this machine into the folder, in the place of one that has the name."""
        target, system = self._place(name)
        jvm: Any = self.spark._jvm
        system.copyFromLocalFile(False, True, jvm.org.apache.hadoop.fs.Path(local.absolute().as_uri()), target)

    def only_writer(self) -> AbstractContextManager[None]:
        """Hold the folder's lock on a local disk, see `writer_lock`; elsewhere the scheduler sees to one writer."""
        if "://" in self.root and not self.root.startswith("file:"):
            return nullcontext()
        return writer_lock(self.spark, Path(self.root.removeprefix("file:")) / "_lock")

    def _place(self, name: str) -> tuple[Any, Any]:
        jvm: Any = self.spark._jvm
        path = jvm.org.apache.hadoop.fs.Path(self.path(name) if name else self.root)
        return path, path.getFileSystem(self.spark._jsc.hadoopConfiguration())
