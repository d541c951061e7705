"""The price book and master data: read, checked, compiled to tables, and handed to the rules as one value."""
