"""Lines of files of usage: how long one may be, and the key that its record travels under."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from jobs.usage_files import LONGEST_LINE, key_of, read_through

DIALECTS = {"msc": "native_json", "softswitch": "voip_json", "archive": "history_json"}


def test_the_longest_line_is_taken(tmp_path):
    file = tmp_path / "long.jsonl"
    file.write_bytes(b"x" * LONGEST_LINE + b"\r\n" + b"y" * LONGEST_LINE)
    assert (read_through(file).records, read_through(file).bytes) == (2, 2 * LONGEST_LINE + 2)


def test_a_key_is_what_mediation_reads_from_it():
    def key(record: Any, source: str | None = None) -> bytes | None:
        return key_of(record if isinstance(record, bytes) else json.dumps(record).encode(), source, DIALECTS)

    line = b'{"type": "call"}'
    digest = hashlib.sha256(line).hexdigest().encode()
    for found, expected in (
        (key({"source": "msc", "event_id": "e1"}), b"msc|e1"),
        (key({"source": "msc", "event_id": "e1"}, "archive"), b"msc|e1"),
        (key({"source": " ", "event_id": "e1"}, "msc"), b"msc|e1"),
        (key({"event_id": "e1"}), None),
        (key({"source": "msc"}), None),
        (key({"source": "unheard_of", "event_id": 17}), b"unheard_of|17"),
        (key({"call_id": "c1"}, "softswitch"), b"softswitch|c1"),
        (key(line, "softswitch"), b"softswitch|" + digest),
        (key(line, "archive"), b"archive|" + digest),
        (key(line + b"\r\n", "archive"), b"archive|" + digest),
        (key(line), None),
        (key(b"no json", "archive"), None),
        (key(b"[1]", "archive"), None),
        (key(b"\xff", "archive"), None),
        (key(b"[" * 100_000, "archive"), None),
    ):
        assert found == expected
