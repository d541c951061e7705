"""The second opinion: rating and billing again, in plain Python, one event and one account at a time.

It shares no code with the Spark side and imports nothing of it. See docs/oracle.md.
"""
