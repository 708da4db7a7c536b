"""What is kept as evidence: the journal of every refused or tagged message and every event, and the hourly traffic.

Nouns: a *record* is a violation or an event and has a *number*, 1, 2, 3 ... without gaps; it is *durable* once it is on
the disk. *Segments* are append-only files of *frames*: a header, records, and *seals*; each frame carries a *hash*
chained over the one before, and the last hash is the *head* of the journal. Records of up to a tenth of a second share
a seal, which says that they are complete and proves that whoever wrote them has the journal's key. The *traffic* is
counts only, by who sent what from where; no text and no subscriber is in it.

options  [evidence]                           keys     the journal's key, subscribers' hashes
frames   octets of a segment, its scan        rows     what a record says; fields by name
facts    a violation as the path packed it, read into a row
journal  appends, seals, rotates              recover  what a crash left    retention  what is old goes
index    SQLite: segments, hourly tallies     tallies  counts by hour, rule, account, port, ...
wire     frames between processes             writer   the process          client  the side of main and the workers
reader   rows after a number, by filter, counts
traffic  what was submitted and delivered
verify   is it all there, and unaltered?      export   CSV, JSONL, Parquet

What holds, and against whom. The chain shows every change by somebody who does not compute it anew. Seals are keyed, so
computing anew needs the key (a file of its own, in the state folder): a copy, a backup or a folder on a file server
cannot be changed unseen by who has only that. Whoever is root on the node has the key too; against that only a head
helps that somebody else noted: heads are in the log, on MQTT and in the metrics, and `verify --head` holds the journal
against one. What is cut off at the very end of the journal is seen by the numbers in `durable` and the index, or by a
noted head.
"""
