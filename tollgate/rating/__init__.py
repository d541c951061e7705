"""Rating: a usage event becomes what the customer is charged and what the carrier costs, event by event."""
