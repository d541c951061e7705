-- The whole tariff model in the catalog: keys by direction, technology and slice, first steps, segments, splits at
-- validity, the catch-all of destinations, carrier prefixes and fees, discounts of a service or zone.
-- Rows of versions before say what they said: * and false.

ALTER TABLE catalog.destination
    DROP CONSTRAINT destination_prefix_check,
    DROP CONSTRAINT destination_match_check,
    ADD CONSTRAINT destination_prefix_check CHECK (prefix ~ '^([0-9]{1,15}|\*)$'),
    ADD CONSTRAINT destination_match_check CHECK (match IN ('prefix', 'exact', 'any')),
    ADD CONSTRAINT destination_any_check CHECK ((match = 'any') = (prefix = '*'));

ALTER TABLE catalog.rate
    DROP CONSTRAINT rate_one_price,
    DROP COLUMN row_key,
    ADD COLUMN direction text NOT NULL DEFAULT '*' CHECK (direction IN ('out', 'in', '*')),
    ADD COLUMN technology text NOT NULL DEFAULT '*' CHECK (technology IN ('2G', '3G', '4G', '5G', 'FIXED', '*')),
    ADD COLUMN slice text NOT NULL DEFAULT '*',
    ADD COLUMN initial bigint CHECK (initial > 0),
    ADD COLUMN split_at_validity boolean NOT NULL DEFAULT false;
ALTER TABLE catalog.rate
    ADD COLUMN row_key text GENERATED ALWAYS AS
        (service || ' ' || plan_id || ' ' || zone_id || ' ' || roaming_zone || ' ' || rating_group || ' ' || direction
         || ' ' || technology || ' ' || slice) STORED,
    ADD CONSTRAINT rate_one_price EXCLUDE USING gist
        (int8range(version, version, '[]') WITH &&, crm.key_range(row_key, row_key, '[]') WITH &&, valid WITH &&);
COMMENT ON COLUMN catalog.rate.initial IS 'units that the first step of charging holds; NULL: the same as increment';
COMMENT ON COLUMN catalog.rate.split_at_validity IS 'true: a call goes on at the price that follows where the row ends';

CREATE TABLE catalog.segment (
    version    bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    rate_id    text NOT NULL,
    from_units bigint NOT NULL CHECK (from_units > 0),
    price      numeric(18, 6) NOT NULL CHECK (price >= 0),
    PRIMARY KEY (version, rate_id, from_units),
    FOREIGN KEY (version, rate_id) REFERENCES catalog.rate ON DELETE CASCADE
);
COMMENT ON TABLE catalog.segment IS 'from so many units of an event on, a block of the rate costs price';

ALTER TABLE catalog.carrier_rate
    DROP CONSTRAINT carrier_rate_one_price,
    DROP COLUMN row_key,
    ADD COLUMN prefix text NOT NULL DEFAULT '*' CHECK (prefix ~ '^([1-9][0-9]{0,14}|\*)$'),
    ADD COLUMN initial bigint CHECK (initial > 0),
    ADD COLUMN connect_fee numeric(18, 6) NOT NULL DEFAULT 0 CHECK (connect_fee >= 0);
ALTER TABLE catalog.carrier_rate
    ADD COLUMN row_key text GENERATED ALWAYS AS
        (service || ' ' || carrier_id || ' ' || prefix || ' ' || country || ' ' || call_type) STORED,
    ADD CONSTRAINT carrier_rate_one_price EXCLUDE USING gist
        (int8range(version, version, '[]') WITH &&, crm.key_range(row_key, row_key, '[]') WITH &&, valid WITH &&);

ALTER TABLE catalog.discount
    ADD COLUMN service text NOT NULL DEFAULT '*' CHECK (service IN ('voice', 'sms', 'mms', 'data', '*')),
    ADD COLUMN zone_id text NOT NULL DEFAULT '*';
