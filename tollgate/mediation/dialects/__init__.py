"""One small pure mapping a feed: raw_cdr rows in, received fields out."""
