-- What `tollgate night` and `tollgate month` did: one row a start. Nothing is decided from it; the tables say what is done.

CREATE TABLE ops.job_run (
  run_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  command    text NOT NULL CHECK (command IN ('night', 'month')),
  from_date  date,
  to_date    date,
  cycle      text CHECK (cycle ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  as_of      timestamptz,
  status     text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed', 'stopped')),
  step       text,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at   timestamptz,
  host       text NOT NULL CHECK (host <> ''),
  pid        integer NOT NULL CHECK (pid > 0),
  exit_code  integer,
  summary    jsonb NOT NULL DEFAULT '{}',
  error      text,
  CONSTRAINT a_night_has_dates CHECK ((command = 'night') = (from_date IS NOT NULL AND to_date IS NOT NULL)),
  CONSTRAINT dates_in_order CHECK (from_date <= to_date),
  CONSTRAINT a_month_has_a_cycle CHECK ((command = 'month') = (cycle IS NOT NULL AND as_of IS NOT NULL)),
  CONSTRAINT an_end_is_dated CHECK (
    CASE status WHEN 'running' THEN ended_at IS NULL AND exit_code IS NULL
                WHEN 'done' THEN ended_at IS NOT NULL AND exit_code = 0
                WHEN 'failed' THEN ended_at IS NOT NULL AND exit_code <> 0 AND error IS NOT NULL
                ELSE error IS NOT NULL END)
);
COMMENT ON TABLE ops.job_run IS 'one row a start of tollgate night or tollgate month; `tollgate runs` prints it';
COMMENT ON COLUMN ops.job_run.run_id IS 'number of the start, counted up';
COMMENT ON COLUMN ops.job_run.command IS 'night or month';
COMMENT ON COLUMN ops.job_run.from_date IS 'first date of a night, UTC';
COMMENT ON COLUMN ops.job_run.to_date IS 'last date of a night, included; the first one unless a range was asked for';
COMMENT ON COLUMN ops.job_run.cycle IS 'bill cycle of a month';
COMMENT ON COLUMN ops.job_run.as_of IS 'instant by which the cycles of a month have ended';
COMMENT ON COLUMN ops.job_run.status IS 'running; done; failed: a step refused or broke; stopped: interrupted, or its process is gone';
COMMENT ON COLUMN ops.job_run.step IS 'the step that it is in, or in which it ended';
COMMENT ON COLUMN ops.job_run.started_at IS 'when it took the lock, by the clock of the database';
COMMENT ON COLUMN ops.job_run.ended_at IS 'when it ended; NULL while it runs, and where its process ended without a word';
COMMENT ON COLUMN ops.job_run.host IS 'machine of the process';
COMMENT ON COLUMN ops.job_run.pid IS 'number of the process on that machine';
COMMENT ON COLUMN ops.job_run.exit_code IS 'what the process ended with; NULL where it ended without a word';
COMMENT ON COLUMN ops.job_run.summary IS 'the steps done so far with their seconds and figures, at the end the whole summary line';
COMMENT ON COLUMN ops.job_run.error IS 'why it failed or was stopped';

CREATE UNIQUE INDEX job_run_one_running ON ops.job_run ((true)) WHERE status = 'running';
