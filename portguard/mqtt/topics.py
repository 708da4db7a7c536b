"""The topics of a node, and where a reply may go.

    <prefix>/<node>/violations | alerts | escalations        what the journal holds
    <prefix>/<node>/status | registry | restraints           how things are, retained
    <prefix>/<node>/command/<name>                            in; <prefix>/all/command/<name> for every node
    <prefix>/<node>/reply                                     unless a command names another topic
"""

from typing import Final

EVERY_NODE: Final = "all"
LONGEST_REPLY_TOPIC: Final = 1_024


class Topics:
    """Those of one node."""

    def __init__(self, prefix: str, node: str) -> None:
        self._prefix = prefix
        self.node = node
        self.reply = self.of("reply")
        self.commands = self.of("command/+")
        self.fleet_commands = f"{prefix}/{EVERY_NODE}/command/+"
        self.others_restraints = f"{prefix}/+/restraints"

    def of(self, name: str) -> str:
        return f"{self._prefix}/{self.node}/{name}"

    def command(self, topic: str) -> str:
        """The name of the command that comes on this topic, "" when it is no command's."""
        for start in (self.commands[:-1], self.fleet_commands[:-1]):
            if topic.startswith(start):
                return topic[len(start) :]
        return ""

    def follows(self, topic: str) -> str:
        """The other node whose restraints come on this topic, "" when it is no such topic, or this node's own."""
        head, _, name = topic.rpartition("/")
        node = head.removeprefix(f"{self._prefix}/")
        return node if name == "restraints" and node not in (head, self.node) and "/" not in node else ""

    def refuses(self, reply_topic: str) -> str:
        """Why no reply may go to a topic that a sender has named, "" when it may.

        Who may give this node a command could otherwise publish, in its name, what other nodes and systems believe.
        """
        if not reply_topic or len(reply_topic) > LONGEST_REPLY_TOPIC or any(mark in reply_topic for mark in "+#\0"):
            return "the response topic is no topic to publish to"
        if reply_topic.startswith("$"):
            return "a response topic may not begin with $"
        ours = reply_topic == self.reply or reply_topic.startswith(f"{self.reply}/")
        if reply_topic.startswith(f"{self._prefix}/") and not ours:
            return f"of the topics under {self._prefix}/ a response may only go to {self.reply}/..."
        return ""
