-- The lines of a published price book as they were written, so that two versions can be compared and one taken out.

CREATE TABLE catalog.source_row (
    version bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    file    text NOT NULL CHECK (file ~ '^[a-z_]+$'),
    line    integer NOT NULL CHECK (line > 1),
    cells   json NOT NULL,
    PRIMARY KEY (version, file, line)
);
COMMENT ON COLUMN catalog.source_row.file IS 'name without .csv';
COMMENT ON COLUMN catalog.source_row.line IS 'line of the file; 1 is the header';
COMMENT ON COLUMN catalog.source_row.cells IS 'every cell of the line by its column, as text, in the order of the header';
