-- What kind of number was called; older copies have none.

ALTER TABLE rating.normalized_cdr ADD COLUMN destination_kind text;
ALTER TABLE rating.staging_normalized_cdr ADD COLUMN destination_kind text;
COMMENT ON COLUMN rating.normalized_cdr.destination_kind IS
  'ordinary, toll_free, premium, shared_cost, short or emergency; unassigned: a possible number in no assigned range; NULL for data';
