-- Graduated tiers of rates in the catalog.

CREATE TABLE catalog.tier (
    version    bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    rate_id    text NOT NULL,
    counts     text NOT NULL CHECK (counts IN ('line', 'account')),
    from_units bigint NOT NULL CHECK (from_units > 0),
    price      numeric(18, 6) NOT NULL CHECK (price >= 0),
    PRIMARY KEY (version, rate_id, from_units),
    FOREIGN KEY (version, rate_id) REFERENCES catalog.rate ON DELETE CASCADE
);
COMMENT ON TABLE catalog.tier IS 'from so many units of a cycle on, a block of the rate costs price';
