"""portguard.toml: the schema assembled from each room's options, and the loader that names every error at once.

Nouns: a *section* is a table of the file and belongs to one room; `Settings` is the whole file, sealed once loaded.
Knows the options of the rooms and nothing of what they do with them.
"""
