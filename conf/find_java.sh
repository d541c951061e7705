#!/usr/bin/env bash
# Check for a Java 17 or 21 in JAVA_HOME or on PATH before anything is downloaded; say what was found when there is none.
set -u
java=${JAVA_HOME:+$JAVA_HOME/bin/java}
java=${java:-$(command -v java)}
version="no such program"
[ ! -x "$java" ] || version=$("$java" -version 2>&1 | head -n 1)
case "$version" in
  *'version "17'* | *'version "21'*) exit 0 ;;
esac
found="none on PATH and no JAVA_HOME"
[ -z "$java" ] || found="$java: $version"
{
  echo "error: no fitting Java"
  echo "  expected: Java 17 or 21"
  echo "  found:    $found"
  echo "  way out:  install a JDK or JRE 17 or 21 and put it on PATH or in JAVA_HOME"
} >&2
exit 1
