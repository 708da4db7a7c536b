"""Text that others wrote, as a terminal may have it."""


def printable(text: str) -> str:
    """Nothing in it moves the cursor, changes colours or turns the direction of writing: what does is shown as a
    JSON escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(one: str) -> str:
    octets = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{octets[n]:02x}{octets[n + 1]:02x}" for n in range(0, len(octets), 2))
