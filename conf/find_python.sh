#!/usr/bin/env bash
# Print the path of a Python 3.10 to 3.13, the given one first; say what was found when there is none.
set -u
found=""
for name in ${1:+"$1"} python3 python3.12 python3.13 python3.11 python3.10; do
  if ! path=$(command -v "$name"); then
    # Who names one does not want another.
    [ -z "${1:-}" ] && continue
    found=" $name (no such command)"
    break
  fi
  version=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  case "$version" in
    3.10 | 3.11 | 3.12 | 3.13)
      if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$path"
        exit 0
      fi
      found="$found $path ($version, without venv and ensurepip: install python3-venv)" ;;
    *) found="$found $path ($version)" ;;
  esac
  [ -z "${1:-}" ] || break
done
{
  echo "error: no fitting Python"
  echo "  expected: Python 3.10 to 3.13 with venv"
  echo "  found:   ${found:- none on PATH}"
  echo "  way out:  install one, or name it: make setup PYTHON=/path/to/python3"
} >&2
exit 1
