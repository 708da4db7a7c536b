"""Ordinary traffic, made up: what the signs must be silent about, and what a scenario is hidden in.

A *world* has four aggregators whose ports legitimately carry many brands and gain some every week, banks with one
brand on ports in every province, platforms with their merchants, and small senders. There are days and nights,
weekends, campaigns with a text of their own, verifications that all read alike, a template that five brands share,
misspelt signatures, brands that send on holidays only, and one day of six times the marketing. Everything follows from
a seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random

from portguard.policy.desk import submit_sm_of
from portguard.policy.tally import TallyRow
from portguard.sms.category import MARKETING, NOTIFICATION, VERIFICATION
from tests.policy.folder import when

DAY = 86400
STEP = 3600
# A Monday, midnight in the node's zone.
BEGIN = when("2026-10-26T00:00")

PHRASES: dict[str, list[str]] = {}
for _line in Path(__file__).with_name("phrases.tsv").read_text("utf-8").splitlines():
    _kind, _, _phrase = _line.partition("\t")
    PHRASES.setdefault(_kind, []).append(_phrase)
NAMES = PHRASES["name"]


@lru_cache(maxsize=20_000)
def pdu(number: str, text: str) -> bytes:
    """A submit_sm with this text."""
    return submit_sm_of(0, number.encode(), 1, b"8613900000001", 8, text.encode("utf-16-be"))


@dataclass
class Brand:
    """Who sends what: `daily` messages, `mix` of verification, notification and marketing, from each of `numbers`
    (port, number, holder) by each of `accounts` (account, enterprise)."""

    signature: str
    owner: str
    accounts: list[tuple[str, str]]
    numbers: list[tuple[str, str, str]]
    daily: float
    mix: tuple[float, float, float]
    since: int = 0
    holidays_only: bool = False
    template: str = ""
    style: int = 0


@dataclass
class World:
    """`unregistered` is the share of misspelt signatures of every account; `holiday` is a day since BEGIN."""

    seed: int = 1
    holiday: int = 14
    unregistered: float = 0.003
    brands: list[Brand] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random = Random(self.seed)
        for a in range(4):
            self._aggregator(a, random)
        for b in range(3):
            self._bank(b)
        for p in range(2):
            self._platform(p, random)
        for s in range(25):
            port, holder = f"1069{70000 + s}", f"shop{s}"
            mix = (0.3, 0.5, 0.2) if s % 3 else (0.95, 0.05, 0.0)
            self._brand(f"小店{s}号", holder, [(f"shop{s:02}", holder)], [(port, port, holder)], 400, mix)
        # One template under five brands.
        for n in range(5):
            port, holder = f"1069{80000 + n}", f"games{n}"
            self._brand(f"游戏{n}", holder, [(holder, holder)], [(port, port, holder)], 1500, (0.2, 0.0, 0.8),
                        template="games")  # fmt: skip

    def _aggregator(self, a: int, random: Random) -> None:
        ports = [f"10690{a}{n}" for n in range(3)]
        accounts = [(f"hub{a}-{n}", f"hub{a}") for n in range(2)]
        for n in range(60 if a < 3 else 8):
            since = 0 if n < (45 if a < 3 else 6) else 2 + (n * 7 + a) % 18
            numbers = [(port, f"{port}{n:04}", f"hub{a}") for port in random.sample(ports, random.choice((1, 1, 1, 2)))]
            mix = random.choice(((0.5, 0.3, 0.2), (0.1, 0.4, 0.5), (0.97, 0.03, 0.0), (0.0, 0.7, 0.3), (0.0, 0.0, 1.0)))
            daily = 20_000 / (1 + n) + 30
            chosen = random.sample(accounts, random.choice((1, 1, 2)))
            # Large brands go through more than one aggregator.
            if n < 3:
                chosen += [(f"hub{(a + 1) % 4}-0", f"hub{(a + 1) % 4}")]
                numbers += [(f"10690{(a + 1) % 4}0", f"10690{(a + 1) % 4}09{a}{n}", f"hub{(a + 1) % 4}")]
            seasonal = 30 <= n < 42 and a < 3
            self._brand(f"品牌{a}{n:02}", f"brand{a}-{n}", chosen, numbers, daily, mix, since, holidays_only=seasonal)

    def _bank(self, b: int) -> None:
        holder = f"bank{b}"
        numbers = [(f"1065{b}{n:02}", f"1065{b}{n:02}", holder) for n in range(31 if b == 0 else 2)]
        self._brand(f"银行{b}", holder, [(holder, holder)], numbers, 30_000, (0.3, 0.6, 0.1))
        self._brand(f"银行{b}信用卡", f"{holder}-card", [(holder, holder)], numbers[:2], 6_000, (0.2, 0.6, 0.2))

    def _platform(self, p: int, random: Random) -> None:
        port, holder = f"10660{p}", f"mall{p}"
        for n in range(30):
            since = 0 if n < 24 else 3 + n % 11
            numbers = [(port, f"{port}{n:03}", holder)]
            self._brand(f"商户{p}{n:02}", f"shop{p}-{n}", [(holder, holder)], numbers, 300 + 3000 / (1 + n),
                        (0.1, 0.3, 0.6), since, holidays_only=n % 7 == 6,
                        template="platform" if n % 2 else "")  # fmt: skip

    def _brand(
        self, signature: str, owner: str, accounts: list[tuple[str, str]], numbers: list[tuple[str, str, str]],
        daily: float, mix: tuple[float, float, float], since: int = 0, *, holidays_only: bool = False,
        template: str = "",
    ) -> None:
        style = len(self.brands)
        brand = Brand(signature, owner, accounts, numbers, daily, mix, since, holidays_only, template, style)
        self.brands.append(brand)

    # ---- time

    def steps(self, first: float, days: float) -> Iterator[tuple[float, list[TallyRow], list[dict[str, object]]]]:
        """(epoch second, tallies, violations) for every STEP from day `first` on."""
        for n in range(round(first * DAY / STEP), round((first + days) * DAY / STEP)):
            at = BEGIN + (n + 1) * STEP
            rows = self.sweep(n * STEP // DAY, n * STEP % DAY / 3600)
            yield at, rows, self.misspelt(rows, at)

    def sweep(self, day: int, hour: float) -> list[TallyRow]:
        """What was sent in one step."""
        random = self.random
        rows = []
        awake = 0.15 + max(0.0, math.sin((hour - 6) / 18 * math.pi)) * 1.4 if hour >= 6 else 0.08
        weekend = 0.6 if day % 7 >= 5 else 1.0
        for brand in self.brands:
            if day < brand.since or (brand.holidays_only and abs(day - self.holiday) > 1):
                continue
            for category, share in zip((VERIFICATION, NOTIFICATION, MARKETING), brand.mix, strict=True):
                wanted = brand.daily * share * awake * weekend * STEP / DAY
                if category == MARKETING:
                    wanted *= 0 if not 8 <= hour < 22 else (6 if day == self.holiday else 1) * 24 / 14
                wanted /= len(brand.numbers)
                for port, number, holder in brand.numbers:
                    count = int(random.expovariate(1 / wanted)) if wanted > 0.05 else 0
                    if count:
                        account, enterprise = random.choice([a for a in brand.accounts if _fits(a[1], holder)])
                        text = self.text(brand, category, day)
                        rows.append(row(account, enterprise, port, number, holder, brand.signature, brand.owner,
                                        category, count, text))  # fmt: skip
        return rows

    def text(self, brand: Brand, category: int, day: int) -> str:
        """What the brand sends of this kind that day, with another name and number each time."""
        random = self.random
        n, who = random.randrange(1000, 999999), random.choice(NAMES)
        if category == VERIFICATION:
            said = PHRASES["verification"][brand.style % 3].format(n=n)
        elif category == NOTIFICATION:
            said = PHRASES["notification"][brand.style % 3].format(n=n, who=who)
        elif brand.style % 12 == 0:
            # What anybody might say.
            said = f"{who}，{PHRASES['coupon'][0]} t.cn/{n}，退订回T"
        elif brand.template:
            said = f"{who}，{brand.template} t.cn/{n}，回T退订"
        else:
            campaign = Random(f"{self.seed} {brand.signature} {day // 3}")
            goods, place = campaign.choice(PHRASES["goods"]), campaign.choice(PHRASES["place"])
            opening = campaign.choice(PHRASES["opening"]).format(goods=goods, place=place)
            parts = [opening, campaign.choice(PHRASES["offer"]), *campaign.sample(PHRASES["detail"], 2)]
            said = f"{who}您好，{'，'.join(parts)} t.cn/{n}，退订回T"
        return f"【{brand.signature}】{said}"

    def misspelt(self, rows: list[TallyRow], at: float) -> list[dict[str, object]]:
        """Violations of accounts whose signatures are misspelt now and then."""
        found: list[dict[str, object]] = []
        for one in rows:
            wanted = one.submitted * self.unregistered
            count = int(wanted) + (self.random.random() < wanted % 1)
            found += [violation(one.account, one.signature + "啊", at)] * count
        return found


def _fits(enterprise: str, holder: str) -> bool:
    return enterprise == holder or not holder.startswith("hub") or not enterprise.startswith("hub")


def row(
    account: str, enterprise: str, port: str, number: str, holder: str, signature: str, owner: str, category: int,
    count: int, text: str, refused: int = 0,
) -> TallyRow:
    """A tally of `count` messages with this text as its sample."""
    return TallyRow(
        account, enterprise, port, number, holder, signature, owner, category, 0, count, refused, 0, count - refused, 0,
        pdu(number, text),
    )  # fmt: skip


def violation(account: str, signature: str, at: float, code: int = 204) -> dict[str, object]:
    """A record of the journal, as far as the signs read it."""
    return {"at": at, "account": account, "signature": signature, "code": code, "hits": [code], "action": "reject"}
