#!/bin/sh
# The clock of docker compose: after NIGHT_HOUR_UTC o'clock `tollgate night` of the day before, from day BILLING_DAY of a
# month on also `tollgate month` for what is due. A night that fails is told and tried again the next day: it goes on where
# it ended. Approving and posting stay with people, see docs/operations.md.
#
#   scheduler.sh               wait and run, day after day
#   scheduler.sh once [DATE]   run the night of DATE (YYYY-MM-DD, default: yesterday) now
#   scheduler.sh health        exit code 0 while the loop turns and the last night did not fail
#
set -u
: "${SCHEDULER_STATE:?names the folder of the lock and the marks}"
: "${NIGHT_HOUR_UTC:?is the hour, 0 to 23}" "${BILLING_DAY:?is a day of the month, 2 to 28}"
: "${STEP_MINUTES:?is the longest time of a step}"
cd "$(dirname "$0")/.." || exit 1

say() {
  printf '%s scheduler: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"
}

between() {
  { [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; } 2>/dev/null || {
    say "$1 is $2, expected $3 to $4"
    exit 2
  }
}

mark() {
  cat "$SCHEDULER_STATE/$1" 2>/dev/null
}

# A step that hangs must not take the nights after it along. In the foreground, so that the end of the container
# reaches the job as well.
step() {
  say "start: tollgate $*"
  echo running >"$SCHEDULER_STATE/now"
  timeout --foreground "${STEP_MINUTES}m" tollgate "$@"
  code=$?
  case $code in
    0) ;;
    75) say "tollgate $1 waits: another night or month runs" ;;
    *) say "FAILED with exit code $code: tollgate $1" ;;
  esac
  return "$code"
}

night() {
  step night --date "$1"
}

# A cycle may start on any day of its month: those of the month before last have ended by now, and of last month's the
# first ones. The instant depends on the month alone, so a repeat goes on with the same draft; on the 2nd at 0:00 UTC the
# 1st has begun in every time zone.
month() {
  as_of=$(printf '%s-%02dT00:00:00Z' "$1" "$BILLING_DAY")
  for back in 2 1; do
    cycle=$(date -u -d "$1-01 -$back month" +%Y-%m)
    step month --cycle "$cycle" --as-of "$as_of" --started-by scheduler || return
  done
  echo "$1" >"$SCHEDULER_STATE/billed"
}

is_month_left() {
  [ "$(date -u -d "$1" +%-d)" -ge "$BILLING_DAY" ] && [ "$(mark billed)" != "${1%-*}" ]
}

# The night of a date, and the months that are left on the day after it. The lock keeps the marks; that one night runs at
# a time, wherever it was started, is tollgate's own concern: exit code 75, and the loop tries again in a minute.
run_night() {
  (
    flock --nonblock 9 || exit 75
    echo "$1" >"$SCHEDULER_STATE/tried"
    echo begun >"$SCHEDULER_STATE/last"
    say "night of $1"
    part=night
    night "$1"
    code=$?
    day_after=$(date -u -d "$1 +1 day" +%Y-%m-%d)
    if [ "$code" -eq 0 ] && is_month_left "$day_after"; then
      part=month
      month "${day_after%-*}"
      code=$?
    fi
    [ "$code" -ne 75 ] || exit 75
    outcome=well
    [ "$code" -eq 0 ] || outcome="failed: $part of $1"
    echo "$outcome" >"$SCHEDULER_STATE/last"
    say "night of $1 ended $outcome"
    [ "$outcome" = well ] || say "the next try is tomorrow after $NIGHT_HOUR_UTC:00 UTC, or \`scheduler.sh once\` now"
    [ "$outcome" = well ]
  ) 9>"$SCHEDULER_STATE/lock"
}

# Not tried today, or begun and cut off by the end of the container.
is_night_left() {
  [ "$(date -u +%-H)" -ge "$NIGHT_HOUR_UTC" ] && { [ "$(mark tried)" != "$1" ] || [ "$(mark last)" = begun ]; }
}

loop() {
  say "every day after $NIGHT_HOUR_UTC:00 UTC; drafts from day $BILLING_DAY of a month on"
  while :; do
    yesterday=$(date -u -d yesterday +%Y-%m-%d)
    if is_night_left "$yesterday"; then
      run_night "$yesterday"
    fi
    echo waiting >"$SCHEDULER_STATE/now"
    sleep 60
  done
}

health() {
  minutes=5
  [ "$(mark now)" != running ] || minutes=$((STEP_MINUTES + 5))
  mark last | grep '^failed' && return 1
  find "$SCHEDULER_STATE/now" -mmin "-$minutes" | grep -q . || { echo "the loop stands still"; return 1; }
}

between NIGHT_HOUR_UTC "$NIGHT_HOUR_UTC" 0 23
between BILLING_DAY "$BILLING_DAY" 2 28
between STEP_MINUTES "$STEP_MINUTES" 1 1440
mkdir -p "$SCHEDULER_STATE" || exit 1
trap 'say stopped; exit 143' TERM INT
case "${1:-loop}" in
  loop) loop ;;
  health) health ;;
  once)
    day=$(date -u -d "${2:-yesterday}" +%Y-%m-%d) || exit 2
    run_night "$day"
    code=$?
    [ "$code" -ne 75 ] || say "another night runs; nothing was started"
    exit "$code"
    ;;
  *)
    say "unknown: $1; expected nothing, once [DATE] or health"
    exit 2
    ;;
esac
