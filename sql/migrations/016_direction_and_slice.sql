-- Who made a call or message, and the network slice that carried it; older copies have neither.

ALTER TABLE rating.normalized_cdr ADD COLUMN direction text CHECK (direction IN ('out', 'in')), ADD COLUMN slice_id text;
ALTER TABLE rating.staging_normalized_cdr ADD COLUMN direction text, ADD COLUMN slice_id text;
COMMENT ON COLUMN rating.normalized_cdr.direction IS 'out: the served number made it, in: it received it; NULL when not given';
COMMENT ON COLUMN rating.normalized_cdr.slice_id IS '5G network slice as received; NULL when not given';
