"""All that touches the outside: settings, Spark, Delta tables, Kafka, PostgreSQL, the local broker and database."""
