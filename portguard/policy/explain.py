"""Why each rule did or did not fire for the message a Desk judged last: the trace that `explain` prints.

Noun: a *Trace*, one line a rule. What fired is read from the engine's own hits; the reasons are told from what the
revision noted when it resolved the port and the signature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from portguard.policy.desk import Desk
from portguard.policy.detail import GrantDetail, PortDetail
from portguard.policy.engine import Engine
from portguard.policy.grant import HIT_203, Account
from portguard.policy.reasons import ACTION_NAMES, CATALOGUE, ORDINAL, Rule
from portguard.sms.canonical import folds
from portguard.sms.category import CATEGORY_NAMES, MARKETING
from portguard.sms.category import name as category_name


@dataclass(slots=True)
class Trace:
    """One rule: `state` is fired, passed, off or not reached; `effect` the action of a fired one."""

    code: int
    rule: str
    state: str
    effect: str
    why: str


class Facts:
    """What the last judgement was based on."""

    def __init__(self, desk: Desk, account: Account) -> None:
        engine: Engine = desk.engine
        self.engine = engine
        self.account = account
        self.scan = desk.scan
        self.port = engine.port
        detail = engine.port.detail
        self.port_detail = detail if isinstance(detail, PortDetail) else PortDetail("")
        grant = engine.grant.detail
        self.grant = grant if isinstance(grant, GrantDetail) else None
        self.content = category_name(engine.category, engine.industry)
        self.region = desk.region
        self.time = datetime.fromtimestamp(engine.at, desk.revision.zone).strftime("%Y-%m-%d %H:%M")

    def chain(self) -> str:
        """The sublease chain in words."""
        chain = self.port_detail.chain
        if chain is None:
            return f"no sublease leads from holder {self.port.holder or '-'} to {self.account.enterprise or '-'}"
        if not chain.links:
            return f"{self.account.enterprise} is the holder of {self.port.port}"
        steps = " -> ".join([chain.links[0].lessor, *(link.lessee for link in chain.links)])
        return f"sublease chain {steps} ({len(chain.links)} deep)"

    def scopes(self) -> str:
        """The scopes on file for the signature and number, in words."""
        if self.grant is None:
            return "no signature to look up"
        if self.grant.kept_by:
            return f"the number is kept by signature {self.grant.kept_by}"
        on_file, left = len(self.grant.covering), len(self.engine.grant.scopes)
        return f"{on_file} scopes on file whose port covers {self.port.number}, {left} for this provider"


def _why_rate(f: Facts) -> str:
    return f"limit {f.account.tps}/s" if f.account.tps else "no rate is set for the account"


def _why_account(f: Facts) -> str:
    if not f.account.known:
        return f"account {f.account.system_id} is not on file"
    state = "active" if f.account.active else "not active"
    return f"account {f.account.system_id} of {f.account.enterprise} is {state}"


def _why_source(f: Facts) -> str:
    return f"source_addr {f.port.number!r}, TON {f.scan.source_ton}, NPI {f.scan.source_npi}"


def _why_registered(f: Facts) -> str:
    return f"longest registered prefix of {f.port.number}: {f.port.port or 'none'}"


def _why_assigned(f: Facts) -> str:
    taken = f.port_detail.taken_by
    if taken is not None:
        return f"exclusive sublease of {taken.port} to {taken.lessee} takes the number from {taken.lessor}"
    return f.chain()


def _why_links(f: Facts) -> str:
    chain = f.port_detail.chain
    broken = chain.broken(f.engine.at) if chain else []
    if broken:
        return "not in force: " + ", ".join(f"{b.lessor} -> {b.lessee} on {b.port} ({b.status})" for b in broken)
    return f.chain()


def _why_port(f: Facts) -> str:
    record = f.port_detail.record
    return f"port {record.port} is {record.status} on file, judged at {f.time}" if record else "no port on file"


def _why_extension(f: Facts) -> str:
    record = f.port_detail.record
    if record is None:
        return "no port on file"
    allowed = "any" if record.extension_digits < 0 else str(record.extension_digits)
    return f"{len(f.port.number) - len(record.port)} digits after {record.port}, {allowed} allowed"


def _why_enterprise(f: Facts) -> str:
    inactive = [*f.port_detail.inactive, *(f.grant.inactive if f.grant else [])]
    return f"not active: {', '.join(inactive)}" if inactive else "account's, holder's and signature's are active"


def _why_body(f: Facts) -> str:
    found = f"data_coding {f.scan.data_coding}, esm_class {f.scan.esm_class:#04x}, {f.scan.payloads} message_payload"
    return f"{found}, user data header of {f.engine.body_header} octets" if f.engine.body_header else found


def _why_parts(f: Facts) -> str:
    return "parts are joined where they arrive, on the links; here one PDU is judged by itself"


def _why_own_tags(f: Facts) -> str:
    return f"{f.scan.own_tags} TLVs of portguard's own in the PDU"


def _why_signature(f: Facts) -> str:
    if f.grant is None:
        required = "requires" if f.port.signature_required else "does not require"
        return f"no signature found; port {f.port.port or '-'} {required} one"
    return f"signature 【{f.grant.text}】" + (f": {f.grant.form_error}" if f.grant.form_error else "")


def _why_disguise(f: Facts) -> str:
    if f.grant is None:
        return "nothing at head or tail looks like a signature"
    folded = folds(f.grant.text)
    if f.grant.on_file == [f.grant.text]:
        if f.engine.grant.hits & HIT_203:
            return f"{f.grant.text!r} is on file, but stands between other brackets than 【】, or behind something"
        return f"【{f.grant.text}】 is on file as it is written"
    how = "; ".join(f"{what} -> {into or 'nothing'} ({why})" for what, into, why in folded) or "brackets"
    if f.grant.on_file:
        return f"{f.grant.text!r} stands for 【{f.grant.on_file[0]}】: {how}"
    return f"no registered signature looks like {f.grant.text!r}"


def _why_second(f: Facts) -> str:
    text = f.engine.text
    tail = text.tail.decode("utf-16-be", "replace") if text.has_tail else text.disguised_tail
    if text.beside:
        return f"【{text.beside}】 right beside 【{f.engine.grant.signature}】"
    if text.has_head and tail:
        return f"tail 【{tail}】 beside head 【{f.engine.grant.signature}】"
    return "one signature at most"


def _why_on_file(f: Facts) -> str:
    if f.grant is None:
        return "no signature to look up"
    rows = ", ".join(f"{r.enterprise} ({r.status})" for r in f.grant.registrations)
    return f"registrations of 【{f.engine.grant.signature}】: {rows or 'none'}"


def _why_scope(f: Facts) -> str:
    return f.scopes()


def _why_category(f: Facts) -> str:
    allowed = sum(1 for scope in f.engine.grant.scopes if scope.permits[f.engine.category << 4 | f.engine.industry])
    return f"content is {f.content}; {allowed} of {len(f.engine.grant.scopes)} scopes permit it"


def _why_region(f: Facts) -> str:
    limits = set(f.port.regions)
    for scope in f.engine.grant.scopes:
        limits |= scope.regions
    if not limits:
        return "neither scope nor port limits regions"
    return f"recipient's region is {f.region or 'unknown'}; limited to {', '.join(sorted(limits))}"


def _why_hours(f: Facts) -> str:
    hours = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for s in f.engine.grant.scopes for a, b in s.hours]
    return f"judged at {f.time}; hours {', '.join(hours)}" if hours else "no scope limits hours"


def _why_quota(f: Facts) -> str:
    caps = [str(scope.cap) for scope in f.engine.grant.scopes if scope.cap]
    return f"daily caps {', '.join(caps)}" if caps else "no scope has a daily cap"


def _why_port_category(f: Facts) -> str:
    return f"content is {f.content} on port {f.port.port or '-'}"


def _why_template(f: Facts) -> str:
    if not f.engine.grant.templated[f.engine.category]:
        return f"the signature has no templates for {CATEGORY_NAMES[f.engine.category]}"
    return "a template fits" if f.engine.fitting else "none of its templates fits"


def _why_frequency(f: Facts) -> str:
    limits = f.engine.options.frequency.get(f.engine.category)
    if limits is None:
        return f"no limits are set for {CATEGORY_NAMES[f.engine.category]}"
    return "at most {} a minute, {} an hour, {} a day (0: no limit)".format(*limits)


def _why_consent(f: Facts) -> str:
    if f.engine.ledger is None:
        return "no consent ledger is set"
    if f.engine.category != MARKETING:
        return f"content is {f.content}, no marketing"
    return f"consent to {f.engine.sender(f.account)} as of {f.time}"


def _why_optout(f: Facts) -> str:
    if f.engine.category != MARKETING:
        return f"content is {f.content}, no marketing"
    return "looked for a phrase that tells how to refuse, like 退订回T or 拒收请回复R"


def _why_marketing_hours(f: Facts) -> str:
    hours = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in f.engine.options.marketing_hours]
    return f"content is {f.content}; judged at {f.time}; marketing hours {', '.join(hours) or 'not set'}"


def _why_complaints(f: Facts) -> str:
    known = len(f.engine.brakes.ports) + len(f.engine.brakes.signatures)
    return f"{len(f.engine.grant.brakes)} of {known} restraints known here are on its port or signature"


_WHY: dict[int, Callable[[Facts], str]] = {
    600: _why_rate, 601: _why_account, 106: _why_source, 100: _why_registered, 101: _why_assigned,
    102: _why_links, 103: _why_links, 104: _why_port, 105: _why_extension, 107: _why_enterprise, 150: _why_body,
    151: _why_body, 152: _why_body, 153: _why_parts, 154: _why_parts, 155: _why_own_tags, 203: _why_disguise,
    200: _why_signature, 201: _why_signature, 202: _why_second, 204: _why_on_file, 205: _why_on_file,
    300: _why_scope, 301: _why_scope, 302: _why_category, 303: _why_region, 304: _why_hours, 305: _why_quota,
    306: _why_port_category, 307: _why_template, 308: _why_frequency, 400: _why_consent, 401: _why_consent,
    402: _why_optout, 403: _why_marketing_hours,
    500: _why_complaints, 501: _why_complaints,
}


def trace(desk: Desk, system_id: str) -> list[Trace]:
    """A line for every rule of the catalogue, in the order of judgement, about the message judged last."""
    engine = desk.engine
    account = engine.account(system_id)
    facts = Facts(desk, account)
    ended = engine.rule if ACTION_NAMES[engine.action] in ("reject", "discard") else len(CATALOGUE)
    return [_line(rule, facts, engine, account, ended) for rule in CATALOGUE]


def _line(rule: Rule, facts: Facts, engine: Engine, account: Account, ended: int) -> Trace:
    ordinal = ORDINAL[rule.code]
    bit = 1 << ordinal
    why = _WHY[rule.code](facts)
    if not account.on & bit:
        return Trace(rule.code, rule.name, "off", "", "its action is allow")
    if ordinal > ended:
        return Trace(rule.code, rule.name, "not reached", "", f"{CATALOGUE[ended].code} ended the judgement")
    if engine.hits & bit:
        return Trace(rule.code, rule.name, "fired", _effect(bit, engine, account), why)
    return Trace(rule.code, rule.name, "passed", "", why)


def _effect(bit: int, engine: Engine, account: Account) -> str:
    if bit & account.stop & ~engine.soft:
        return "discard" if bit & account.discard else "reject"
    return "tag" if bit & (account.tag | account.stop) else "monitor"
