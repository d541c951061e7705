-- The copy of accepted usage for applications that ask PostgreSQL; `tollgate export-usage --to postgres` writes it. The
-- lake stays the record: a batch's rows are here as soon as its export is, and all of it can be made again.

CREATE SCHEMA IF NOT EXISTS rating;

-- Exports. A row comes in the transaction that brings its events, so each batch is here whole or not at all.

CREATE TABLE rating.export_run (
  from_batch_no bigint PRIMARY KEY CHECK (from_batch_no >= 0),
  to_batch_no   bigint NOT NULL,
  events        bigint NOT NULL CHECK (events >= 0),
  duration_s    numeric(38,0) NOT NULL CHECK (duration_s >= 0),
  volume_bytes  numeric(38,0) NOT NULL CHECK (volume_bytes >= 0),
  contents      numeric(38,0) NOT NULL CHECK (contents >= 0),
  exported_at   timestamptz NOT NULL DEFAULT now(),
  CHECK (to_batch_no >= from_batch_no),
  CONSTRAINT a_batch_is_exported_once EXCLUDE USING gist (int8range(from_batch_no, to_batch_no, '[]') WITH &&)
);
COMMENT ON TABLE rating.export_run IS 'one row an export: the batches whose accepted events normalized_cdr holds, and what they add up to';
COMMENT ON COLUMN rating.export_run.to_batch_no IS 'last batch, inclusive';
COMMENT ON COLUMN rating.export_run.contents IS 'sum over the events of a number made from all their columns: other contents, other sum';

CREATE TABLE rating.normalized_cdr (
  batch_no            bigint NOT NULL,
  topic               text NOT NULL,
  kafka_partition     integer NOT NULL,
  kafka_offset        bigint NOT NULL,
  arrived_at          timestamptz NOT NULL,
  flags               text[] NOT NULL,
  repairs             text[] NOT NULL,
  defaulted_fields    text[] NOT NULL,
  source              text NOT NULL,
  event_id            text NOT NULL,
  content_digest      text NOT NULL,
  service             text NOT NULL,
  started_at          timestamptz NOT NULL,
  ended_at            timestamptz,
  source_offset_s     integer,
  duration_s          bigint CHECK (duration_s >= 0),
  volume_bytes        bigint CHECK (volume_bytes >= 0),
  msisdn              text,
  destination         text,
  destination_class   text,
  msisdn_country      text,
  destination_country text,
  call_type           text,
  call_type_given     text,
  country_given       text,
  subscriber_id       text,
  technology          text,
  rating_group        text,
  roaming             boolean NOT NULL,
  roaming_country     text,
  carrier_id          text,
  call_outcome        text,
  cause               text,
  lateness_s          bigint,
  rule_version        integer NOT NULL,
  snapshot_id         bigint NOT NULL,
  -- An event's identity and the column that the partitions need; event_id first, for a call is looked up by it.
  PRIMARY KEY (event_id, source, started_at)
) PARTITION BY RANGE (started_at);

-- What applications filter by: the call's id (the primary key), its start, the customer's number, the called country
-- and the carrier. Each goes on by started_at, for lists are read in its order, a page at a time.
CREATE INDEX normalized_cdr_start ON rating.normalized_cdr (started_at, event_id);
CREATE INDEX normalized_cdr_msisdn ON rating.normalized_cdr (msisdn, started_at);
CREATE INDEX normalized_cdr_country ON rating.normalized_cdr (destination_country, started_at);
CREATE INDEX normalized_cdr_carrier ON rating.normalized_cdr (carrier_id, started_at);
-- Rows come batch after batch, so a summary of each block is enough to find those of an export.
CREATE INDEX normalized_cdr_batch ON rating.normalized_cdr USING brin (batch_no);

COMMENT ON TABLE rating.normalized_cdr IS 'accepted usage, a partition a month of started_at in UTC; no row without its export_run';
COMMENT ON COLUMN rating.normalized_cdr.batch_no IS 'micro-batch that carried the record; equals raw_cdr.batch_no';
COMMENT ON COLUMN rating.normalized_cdr.topic IS 'Kafka topic';
COMMENT ON COLUMN rating.normalized_cdr.kafka_partition IS 'Kafka partition';
COMMENT ON COLUMN rating.normalized_cdr.kafka_offset IS 'Kafka offset';
COMMENT ON COLUMN rating.normalized_cdr.arrived_at IS 'arrival (CreateTime), UTC';
COMMENT ON COLUMN rating.normalized_cdr.flags IS 'every flag that applies, in the order of the rule table';
COMMENT ON COLUMN rating.normalized_cdr.repairs IS 'what normalisation changed in form, by code';
COMMENT ON COLUMN rating.normalized_cdr.defaulted_fields IS 'fields that took their default because they were missing';
COMMENT ON COLUMN rating.normalized_cdr.source IS 'the sending system; identity is (source, event_id)';
COMMENT ON COLUMN rating.normalized_cdr.event_id IS 'id given by the source';
COMMENT ON COLUMN rating.normalized_cdr.content_digest IS 'SHA-256 (hex) of the canonical received fields before normalisation';
COMMENT ON COLUMN rating.normalized_cdr.service IS 'voice, sms, mms or data';
COMMENT ON COLUMN rating.normalized_cdr.started_at IS 'start of the event, UTC';
COMMENT ON COLUMN rating.normalized_cdr.ended_at IS 'end of the event as given, UTC; NULL when not given';
COMMENT ON COLUMN rating.normalized_cdr.source_offset_s IS 'offset from UTC of the received start, seconds';
COMMENT ON COLUMN rating.normalized_cdr.duration_s IS 'voice and data sessions: seconds, from the switch counter';
COMMENT ON COLUMN rating.normalized_cdr.volume_bytes IS 'data: bytes (1 MB of the record is 1,000,000 bytes)';
COMMENT ON COLUMN rating.normalized_cdr.msisdn IS 'served (calling) number, E.164 digits with leading + (pii)';
COMMENT ON COLUMN rating.normalized_cdr.destination IS 'called number: E.164 with leading +, or the short code as dialled; NULL for data (pii)';
COMMENT ON COLUMN rating.normalized_cdr.destination_class IS 'e164 or short; NULL for data';
COMMENT ON COLUMN rating.normalized_cdr.msisdn_country IS 'ISO country of the served number, NULL unknown';
COMMENT ON COLUMN rating.normalized_cdr.destination_country IS 'ISO country of the called number, NULL unknown';
COMMENT ON COLUMN rating.normalized_cdr.call_type IS 'derived: local, national or international; NULL for data, short codes and numbers of an unknown country';
COMMENT ON COLUMN rating.normalized_cdr.call_type_given IS 'as the record says it, NULL in dialects without it';
COMMENT ON COLUMN rating.normalized_cdr.country_given IS 'country of the called number as the record says it, NULL in dialects without it';
COMMENT ON COLUMN rating.normalized_cdr.subscriber_id IS 'as received: a flag when it differs from the owner, never the owner';
COMMENT ON COLUMN rating.normalized_cdr.technology IS '2G, 3G, 4G or 5G; NULL unknown';
COMMENT ON COLUMN rating.normalized_cdr.rating_group IS 'data: web, video, ...; NULL for the other services';
COMMENT ON COLUMN rating.normalized_cdr.roaming IS 'true when served by a visited network';
COMMENT ON COLUMN rating.normalized_cdr.roaming_country IS 'ISO country of the visited network, NULL at home';
COMMENT ON COLUMN rating.normalized_cdr.carrier_id IS 'interconnect carrier as received';
COMMENT ON COLUMN rating.normalized_cdr.call_outcome IS 'answered, failed, busy, dropped, no_answer, delivered; NULL when not given';
COMMENT ON COLUMN rating.normalized_cdr.cause IS 'release cause as received';
COMMENT ON COLUMN rating.normalized_cdr.lateness_s IS 'arrived_at minus (ended_at or started_at + duration), seconds; NULL without a start';
COMMENT ON COLUMN rating.normalized_cdr.rule_version IS 'version of the rule table';
COMMENT ON COLUMN rating.normalized_cdr.snapshot_id IS 'reference snapshot pinned by the batch';

-- Staging: what one attempt copied out of the lake. Unlogged, for it can be copied again.

CREATE SEQUENCE rating.export_attempt;
CREATE UNLOGGED TABLE rating.staging_normalized_cdr (
  attempt bigint NOT NULL,
  LIKE rating.normalized_cdr,
  PRIMARY KEY (attempt, topic, kafka_partition, kafka_offset)
);

-- A partition is made when its month is first exported. None takes what belongs nowhere: that would hide a wrong month,
-- and no month could be added any more without reading it.

CREATE FUNCTION rating.add_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  partition_name text := 'normalized_cdr_' || to_char(month, 'YYYY_MM');
BEGIN
  IF month <> date_trunc('month', month) THEN
    RAISE EXCEPTION '% is not the first day of a month', month USING ERRCODE = 'TG003';
  END IF;
  IF EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'rating.normalized_cdr'::regclass AND partdefid <> 0) THEN
    RAISE EXCEPTION 'rating.normalized_cdr has a default partition; detach it' USING ERRCODE = 'TG003';
  END IF;
  IF to_regclass('rating.' || partition_name) IS NULL THEN
    EXECUTE format('CREATE TABLE rating.%I PARTITION OF rating.normalized_cdr FOR VALUES FROM (%L) TO (%L)', partition_name,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
  END IF;
END $$;
