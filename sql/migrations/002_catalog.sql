-- A copy of each published price book for people and services; the lake's price_* tables are the master.
-- publish_pricebook writes a version in one transaction. Amounts are in the book's currency, to the millionth.

CREATE SCHEMA IF NOT EXISTS catalog;

CREATE TABLE catalog.price_book (
    version      bigint PRIMARY KEY CHECK (version > 0),
    digest       text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    name         text NOT NULL,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone    text NOT NULL,
    author       text NOT NULL CHECK (author <> ''),
    reason       text NOT NULL CHECK (reason <> ''),
    published_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE catalog.plan (
    version       bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    plan_id       text NOT NULL,
    name          text NOT NULL,
    contract_type text NOT NULL CHECK (contract_type IN ('term', 'month_to_month', 'prepaid')),
    charge_type   text NOT NULL CHECK (charge_type IN ('postpaid', 'prepaid')),
    term_months   integer CHECK (term_months > 0),
    PRIMARY KEY (version, plan_id),
    CHECK ((contract_type = 'term') = (term_months IS NOT NULL))
);

CREATE TABLE catalog.zone (
    version bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    zone_id text NOT NULL,
    name    text NOT NULL,
    kind    text NOT NULL,
    PRIMARY KEY (version, zone_id)
);

CREATE TABLE catalog.destination (
    version bigint NOT NULL,
    prefix  text NOT NULL CHECK (prefix ~ '^[0-9]{1,15}$'),
    match   text NOT NULL CHECK (match IN ('prefix', 'exact')),
    zone_id text NOT NULL,
    valid   tstzrange NOT NULL CHECK (NOT isempty(valid)),
    FOREIGN KEY (version, zone_id) REFERENCES catalog.zone ON DELETE CASCADE,
    CONSTRAINT destination_one_zone EXCLUDE USING gist
        (int8range(version, version, '[]') WITH &&,
         crm.key_range(match || ' ' || prefix, match || ' ' || prefix, '[]') WITH &&, valid WITH &&)
);

-- plan_id, zone_id, roaming_zone and rating_group hold * for "all": the fallback order is in docs/pricebook.md.
CREATE TABLE catalog.rate (
    version      bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    rate_id      text NOT NULL,
    plan_id      text NOT NULL,
    service      text NOT NULL CHECK (service IN ('voice', 'sms', 'mms', 'data')),
    zone_id      text NOT NULL,
    roaming_zone text NOT NULL,
    rating_group text NOT NULL,
    price        numeric(18, 6) NOT NULL CHECK (price >= 0),
    unit         text NOT NULL CHECK (unit IN ('second', 'message', 'byte')),
    block        bigint NOT NULL CHECK (block > 0),
    increment    bigint NOT NULL CHECK (increment > 0),
    connect_fee  numeric(18, 6) NOT NULL CHECK (connect_fee >= 0),
    minimum      numeric(18, 6) CHECK (minimum >= 0),
    maximum      numeric(18, 6) CHECK (maximum >= minimum),
    band_set     text,
    discountable boolean NOT NULL,
    zero_rated   boolean NOT NULL CHECK (NOT zero_rated OR price = 0),
    digits       integer NOT NULL CHECK (digits BETWEEN 0 AND 6),
    rounding     text NOT NULL CHECK (rounding IN ('half_up', 'up', 'down')),
    tax_category text NOT NULL,
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid)),
    row_key      text GENERATED ALWAYS AS
        (service || ' ' || plan_id || ' ' || zone_id || ' ' || roaming_zone || ' ' || rating_group) STORED,
    PRIMARY KEY (version, rate_id),
    CONSTRAINT rate_one_price EXCLUDE USING gist
        (int8range(version, version, '[]') WITH &&, crm.key_range(row_key, row_key, '[]') WITH &&, valid WITH &&)
);

CREATE TABLE catalog.carrier_rate (
    version       bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    cost_id       text NOT NULL,
    carrier_id    text NOT NULL,
    service       text NOT NULL CHECK (service IN ('voice', 'sms', 'mms', 'data')),
    call_type     text NOT NULL,
    country       text NOT NULL,
    price         numeric(18, 6) NOT NULL CHECK (price >= 0),
    unit          text NOT NULL CHECK (unit IN ('second', 'message', 'byte')),
    block         bigint NOT NULL CHECK (block > 0),
    increment     bigint NOT NULL CHECK (increment > 0),
    digits        integer NOT NULL CHECK (digits BETWEEN 0 AND 6),
    rounding      text NOT NULL CHECK (rounding IN ('half_up', 'up', 'down')),
    markup        numeric CHECK (markup > 0),
    markup_digits integer CHECK (markup_digits BETWEEN 0 AND 6),
    valid         tstzrange NOT NULL CHECK (NOT isempty(valid)),
    row_key       text GENERATED ALWAYS AS
        (service || ' ' || carrier_id || ' ' || country || ' ' || call_type) STORED,
    PRIMARY KEY (version, cost_id),
    CHECK ((markup IS NULL) = (markup_digits IS NULL)),
    CONSTRAINT carrier_rate_one_price EXCLUDE USING gist
        (int8range(version, version, '[]') WITH &&, crm.key_range(row_key, row_key, '[]') WITH &&, valid WITH &&)
);

CREATE TABLE catalog.discount (
    version     bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    discount_id text NOT NULL,
    stage       text NOT NULL CHECK (stage IN ('rating', 'billing')),
    apply_order integer NOT NULL,
    stacks      boolean NOT NULL,
    fact        text NOT NULL CHECK (fact IN ('student', 'tenure_months')),
    threshold   integer NOT NULL CHECK (threshold >= 0),
    percent     numeric NOT NULL CHECK (percent >= 0 AND percent <= 100),
    valid       tstzrange NOT NULL CHECK (NOT isempty(valid)),
    PRIMARY KEY (version, discount_id),
    UNIQUE (version, stage, apply_order)
);

CREATE TABLE catalog.fee (
    version      bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    fee_id       text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('recurring', 'deposit', 'invoice')),
    plan_id      text NOT NULL,
    name         text NOT NULL,
    amount       numeric(18, 6) NOT NULL CHECK (amount >= 0),
    proration    text NOT NULL CHECK (proration IN ('none', 'days')),
    tax_category text NOT NULL CHECK (kind <> 'deposit' OR tax_category = 'none'),
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid)),
    PRIMARY KEY (version, fee_id)
);

CREATE TABLE catalog.allowance (
    version      bigint NOT NULL,
    allowance_id text NOT NULL,
    plan_id      text NOT NULL,
    name         text NOT NULL,
    service      text NOT NULL,
    zone_id      text NOT NULL,
    unit         text NOT NULL CHECK (unit IN ('second', 'message', 'byte')),
    quantity     bigint NOT NULL CHECK (quantity > 0),
    proration    text NOT NULL CHECK (proration IN ('none', 'days')),
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid)),
    PRIMARY KEY (version, allowance_id, service, zone_id),
    FOREIGN KEY (version, plan_id) REFERENCES catalog.plan ON DELETE CASCADE,
    FOREIGN KEY (version, zone_id) REFERENCES catalog.zone ON DELETE CASCADE
);

CREATE TABLE catalog.tax (
    version      bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    tax_id       text NOT NULL,
    jurisdiction text NOT NULL,
    tax_category text NOT NULL,
    name         text NOT NULL,
    rate_ppm     bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid)),
    PRIMARY KEY (version, tax_id)
);
COMMENT ON COLUMN catalog.tax.rate_ppm IS 'rate in millionths: 13 % is 130000';
