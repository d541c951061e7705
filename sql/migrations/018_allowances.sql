-- Several allowances over one event: their order, whose they are, and covers of every service or zone, or of a band.

ALTER TABLE catalog.allowance
    DROP CONSTRAINT allowance_pkey,
    DROP CONSTRAINT allowance_version_zone_id_fkey,
    ADD COLUMN band text,
    ADD COLUMN priority integer NOT NULL DEFAULT 1 CHECK (priority > 0),
    ADD COLUMN scope text NOT NULL DEFAULT 'line' CHECK (scope IN ('line', 'account')),
    DROP CONSTRAINT allowance_unit_check,
    ADD CONSTRAINT allowance_unit_check CHECK (unit IN ('second', 'message', 'byte', 'currency')),
    ALTER COLUMN quantity TYPE numeric,
    ADD COLUMN rollover_cycles integer CHECK (rollover_cycles > 0),
    ADD COLUMN rollover_cap numeric CHECK (rollover_cap > 0),
    ADD CONSTRAINT allowance_one_cover UNIQUE NULLS NOT DISTINCT (version, allowance_id, service, zone_id, band);
COMMENT ON COLUMN catalog.allowance.service IS 'service covered, * every one that has the unit';
COMMENT ON COLUMN catalog.allowance.zone_id IS 'zone covered, * every one';
COMMENT ON COLUMN catalog.allowance.band IS 'time band in which a covered event starts; NULL any';
COMMENT ON COLUMN catalog.allowance.quantity IS 'units of a cycle, or an amount where the unit is currency';
COMMENT ON COLUMN catalog.allowance.rollover_cycles IS 'cycles after its own in which a grant can be used';
COMMENT ON COLUMN catalog.allowance.rollover_cap IS 'units that roll over at most; NULL all';
COMMENT ON COLUMN catalog.allowance.priority IS 'lower ones are used first';
