"""All that is known about one verdict, for people and for JSON: what `explain` shows, wherever it is asked for."""

from dataclasses import asdict, dataclass
from datetime import datetime

from portguard.policy.desk import Desk, Message, Outcome
from portguard.policy.explain import Trace, trace
from portguard.sms.category import name as category_name
from portguard.sms.template import template_of


@dataclass(slots=True)
class Word:
    """A word of the lexicon in the text; `counted` is False for one that is only part of a longer word."""

    word: str
    category: str
    weight: int
    counted: bool


@dataclass(slots=True)
class Explanation:
    """All that is known about one verdict. `template` is the id of the template that decided the category, or ""."""

    outcome: Outcome
    at: str
    mode: str
    template: str
    words: list[Word]
    trace: list[Trace]


def examine(desk: Desk, message: Message) -> Explanation:
    """Judge the message and gather the reasons. Raises MessageError when it has no form on the wire."""
    engine, revision = desk.engine, desk.revision
    engine.forget()
    outcome = desk.judge(message)
    words, template = [], ""
    if engine.readable:
        raw = engine.text.raw
        words = [
            Word(word, category_name(category, industry), weight, counted)
            for word, category, industry, weight, counted in engine.lexicon.explain(raw)
        ]
        templates = engine.grant.templates
        fitting = template_of(templates, raw, engine.lexicon) if templates is not None else None
        template = fitting.id if fitting is not None else ""
    record = revision.image.account(message.account)
    return Explanation(
        outcome=outcome,
        at=datetime.fromtimestamp(engine.at, revision.zone).isoformat(timespec="seconds"),
        mode=revision.settings.mode(message.account, record.mode if record else ""),
        template=template,
        words=words,
        trace=trace(desk, message.account),
    )


def as_object(found: Explanation) -> dict[str, object]:
    """The explanation as `--json` prints it: the outcome's fields, then the rest."""
    return {**asdict(found.outcome), **{name: value for name, value in asdict(found).items() if name != "outcome"}}
