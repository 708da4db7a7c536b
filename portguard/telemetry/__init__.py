"""What the NOC sees: the Prometheus collector over plain counters, the HTTP endpoint and the log lines.

Nouns: a *source* is a callable that is read at scrape time; a *field* is one key=value of a log line.
Nothing here runs on the message path, and nothing here knows where the numbers come from.
"""
