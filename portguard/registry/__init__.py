"""What is on file: the registry folder, checked and turned into one immutable revision.

Nouns: a *table* is one file of the registry folder (`ports.csv`, `scopes.yaml`, ...); a *row* is one line of it; a
*problem* is what is wrong with a row, as `file:row: field: message`; a *revision* is the content of all tables, named
by its digest; an *image* is the revision's file, mapped read-only by every worker; a *record* is a row as the image
holds it; an *entry* is what stands under one key of it.

model   the rows, field by field            check   rows against each other
load    files into rows, every error        build   the process that writes an image
image   what the file of a revision holds   diff    what changed between two images
reader  what a message asks of an image     store   the file: keys, values, how they are found
records the octets of a record, read        octets  the same, written
pack    rows into entries                   sorting, scope_rows   what is larger than the memory
ports   longest prefix and lease chains     hours, dates, subscriber   small syntaxes
edit    one row of a table, in its bytes    edit_build   the process that makes an edit

It knows nothing of messages, verdicts, or of the wire beyond what a number and a name may look like. Dates on file
become epoch seconds of the node's time zone when the image is built.
"""
