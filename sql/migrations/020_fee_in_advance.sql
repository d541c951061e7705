-- Monthly fees that are asked for before their cycle.

ALTER TABLE catalog.fee ADD COLUMN in_advance boolean;
COMMENT ON COLUMN catalog.fee.in_advance IS 'a monthly fee on the bill before its cycle; NULL or false: after it';
