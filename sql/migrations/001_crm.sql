-- Customers, lines, contracts and the network they use. `tollgate seed` writes here, snapshot_reference reads.
-- Two times are kept: `valid` says when a fact holds in the world, recorded_at and superseded_at when we knew it.
-- A correction sets superseded_at on the old row and adds a new one; readers take the rows with superseded_at NULL.

CREATE SCHEMA IF NOT EXISTS crm;

-- The local build has no btree_gist. A range of one text key, '[k,k]', gives GiST an equality on text.
CREATE TYPE crm.key_range AS RANGE (subtype = text, collation = "C");

CREATE TABLE crm.customer (
    customer_id    text PRIMARY KEY,
    name           text NOT NULL CHECK (name <> ''),
    email          text NOT NULL CHECK (email LIKE '_%@_%'),
    birth_date     date NOT NULL,
    address        text NOT NULL CHECK (address <> ''),
    customer_since date NOT NULL CHECK (customer_since > birth_date),
    recorded_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN crm.customer.name IS 'full name (pii)';
COMMENT ON COLUMN crm.customer.email IS 'address for notices (pii)';
COMMENT ON COLUMN crm.customer.birth_date IS 'date of birth (pii)';
COMMENT ON COLUMN crm.customer.address IS 'billing address (pii)';
COMMENT ON COLUMN crm.customer.customer_since IS 'start of tenure, local date';

CREATE TABLE crm.customer_fact (
    customer_id   text NOT NULL REFERENCES crm.customer,
    is_student    boolean NOT NULL,
    valid         tstzrange NOT NULL CHECK (NOT isempty(valid)),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz CHECK (superseded_at >= recorded_at),
    CONSTRAINT customer_fact_disjoint EXCLUDE USING gist
        (crm.key_range(customer_id, customer_id, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL)
);
COMMENT ON TABLE crm.customer_fact IS 'facts that discounts depend on, over time; the intervals of a customer are disjoint';

CREATE TABLE crm.account (
    account_id        text PRIMARY KEY,
    customer_id       text NOT NULL REFERENCES crm.customer,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone         text NOT NULL CHECK (time_zone <> ''),
    anchor_day        integer NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    first_cycle_start date NOT NULL,
    closed_on         date CHECK (closed_on > first_cycle_start),
    tax_jurisdiction  text NOT NULL CHECK (tax_jurisdiction <> ''),
    tax_exempt        boolean NOT NULL DEFAULT false,
    recorded_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX account_customer ON crm.account (customer_id);
COMMENT ON COLUMN crm.account.time_zone IS 'IANA zone of the bill cycle; contract days begin at its local midnight';
COMMENT ON COLUMN crm.account.closed_on IS 'first local day without the account; NULL open';

CREATE TABLE crm.phone_line (
    subscription_id text PRIMARY KEY,
    account_id      text NOT NULL REFERENCES crm.account,
    recorded_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX phone_line_account ON crm.phone_line (account_id);

CREATE TABLE crm.line_number (
    subscription_id text NOT NULL REFERENCES crm.phone_line,
    msisdn          text NOT NULL CHECK (msisdn ~ '^\+[1-9][0-9]{6,14}$'),
    imsi            text NOT NULL CHECK (imsi ~ '^[0-9]{14,15}$'),
    valid           tstzrange NOT NULL CHECK (NOT isempty(valid)),
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    superseded_at   timestamptz CHECK (superseded_at >= recorded_at),
    CONSTRAINT line_number_one_holder EXCLUDE USING gist
        (crm.key_range(msisdn, msisdn, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL),
    CONSTRAINT line_number_one_number EXCLUDE USING gist
        (crm.key_range(subscription_id, subscription_id, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL)
);
COMMENT ON COLUMN crm.line_number.msisdn IS 'E.164 with leading + (pii)';
COMMENT ON COLUMN crm.line_number.imsi IS 'identity of the SIM (pii)';

CREATE TABLE crm.line_state (
    subscription_id text NOT NULL REFERENCES crm.phone_line,
    state           text NOT NULL CHECK (state IN ('active', 'suspended')),
    valid           tstzrange NOT NULL CHECK (NOT isempty(valid)),
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    superseded_at   timestamptz CHECK (superseded_at >= recorded_at),
    CONSTRAINT line_state_disjoint EXCLUDE USING gist
        (crm.key_range(subscription_id, subscription_id, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL)
);

CREATE TABLE crm.contract (
    contract_id     text NOT NULL,
    subscription_id text NOT NULL REFERENCES crm.phone_line,
    plan_id         text NOT NULL CHECK (plan_id <> ''),
    starts_on       date NOT NULL,
    term_ends_on    date CHECK (term_ends_on > starts_on),
    cancelled_on    date CHECK (cancelled_on > starts_on),
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    superseded_at   timestamptz CHECK (superseded_at >= recorded_at),
    PRIMARY KEY (contract_id, recorded_at),
    CONSTRAINT contract_one_in_force EXCLUDE USING gist
        (crm.key_range(subscription_id, subscription_id, '[]') WITH &&,
         daterange(starts_on, cancelled_on, '[)') WITH &&) WHERE (superseded_at IS NULL)
);
CREATE UNIQUE INDEX contract_current ON crm.contract (contract_id) WHERE superseded_at IS NULL;
COMMENT ON COLUMN crm.contract.plan_id IS 'plan of the price book';
COMMENT ON COLUMN crm.contract.term_ends_on IS 'end of the commitment, exclusive; NULL without a term';
COMMENT ON COLUMN crm.contract.cancelled_on IS 'first local day without the contract; NULL in force';

CREATE TABLE crm.cell (
    cell_id     text PRIMARY KEY,
    site        text NOT NULL,
    city        text NOT NULL,
    region      text NOT NULL,
    country     text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    lon         numeric(9, 6) NOT NULL CHECK (lon BETWEEN -180 AND 180),
    lat         numeric(9, 6) NOT NULL CHECK (lat BETWEEN -90 AND 90),
    technology  text NOT NULL CHECK (technology IN ('2G', '3G', '4G', '5G')),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE crm.carrier (
    carrier_id  text PRIMARY KEY,
    name        text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE crm.source (
    source      text PRIMARY KEY,
    dialect     text NOT NULL CHECK (dialect <> ''),
    country     text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    time_zone   text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE crm.seed_run (
    seed        bigint NOT NULL,
    subscribers bigint NOT NULL CHECK (subscribers > 0),
    digest      text PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE crm.seed_run IS 'populations that the seed wrote, by digest of their rows: a second seed finds its own and changes nothing';
