"""Speed, measured on the real parts in one run: rows with a bar to hold, an aim to reach and the baseline they are
compared with."""
