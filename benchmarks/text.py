"""How well texts are told apart, and what it costs: the tables of the lexicon, the canonical form and the templates.

    python benchmarks/text.py [--data FOLDER] [--json FILE]

Offers of others' collecting are FBS spam (tokenised: put together again without spaces), personal letters are the NUS
corpus; both are evaluation data beside the clone and are left out where they are absent. The word list was tuned on one
half of each, chosen by a hash of the text; the other half is reported. Notices, offers and disguises are our own, in
tests/sms; composed by those who wrote the words, they show what is covered rather than what is met. Costs are minima of
CPU time over several rounds.
"""

import argparse
import gzip
import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from portguard.flavour import flavour  # noqa: E402
from portguard.sms.canonical import canonical, canonical_signature  # noqa: E402
from portguard.sms.category import MARKETING, NOTIFICATION, load_default  # noqa: E402
from portguard.sms.lexicon import Lexicon  # noqa: E402
from portguard.sms.template import Template, Templates  # noqa: E402
from tests.sms.corpus import notices, offers  # noqa: E402
from tests.sms.disguises import disguised, innocents, judge  # noqa: E402

# What the FBS collection put in the place of what it masked; the longer first, since PHONE ends CELLPHONE.
TOKENS = {"CELLPHONE": "13800000000", "WECHAT": "微信", "PHONE": "80000000",
          "DIGIT": "8", "PLACE": "某地", "NAME": "某某", "URL": "http://t.cn/a1"}  # fmt: skip
OFFERS = (
    ("FBS AD_Retail", ("AD_Retail",)),
    ("FBS AD_Loan + FR_Financial", ("AD_Loan", "FR_Financial")),
    ("FBS AD_Real_estate", ("AD_Real_estate",)),
    ("FBS AD_Network_service", ("AD_Network_service",)),
    ("FBS AD_Other", ("AD_Other",)),
    ("FBS IL_Gambling", ("IL_Gambling",)),
)
Row = tuple[str, int, int]


def fbs(folder: Path, kinds: tuple[str, ...]) -> list[str]:
    """The messages of some kinds, one a line, as they would have been written."""
    texts = []
    for kind in kinds:
        for line in (folder / "fbs" / f"{kind}.txt").read_text("utf-8", "replace").splitlines():
            for token, text in TOKENS.items():
                line = line.replace(token, text)
            texts.append(line.replace(" ", ""))
    return [text for text in texts if text]


def letters(folder: Path) -> list[str]:
    """Messages between people."""
    with gzip.open(folder / "nus" / "zh_texts.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [str(json.loads(line)["text"]) for line in lines]


def held_out(texts: list[str]) -> list[str]:
    """The half that nothing was tuned on."""
    return [text for text in texts if hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] & 1]


def categories(data: Path | None) -> Iterator[Row]:
    """(set, texts, of them found to be marketing)."""
    lexicon = Lexicon(load_default())

    def row(name: str, texts: list[str]) -> Row:
        found = (lexicon.classify(text.encode("utf-16-be", "replace")) // 16 for text in texts)
        return name, len(texts), sum(category == MARKETING for category in found)

    if data is not None:
        for name, kinds in OFFERS:
            yield row(f"{name}, held out", held_out(fbs(data, kinds)))
        yield row("NUS personal, held out", held_out(letters(data)))
        yield row("NUS personal, all", letters(data))
    yield row("own offers", [message.text for message in offers()])
    yield row("own verification", [one.text for one in notices() if one.category == "verification"])
    yield row("own notifications", [one.text for one in notices() if one.category == "notification"])


def disguises(data: Path | None) -> Iterator[Row]:
    """(set, cases, of them found to be disguised)."""
    cases = disguised()
    yield "disguised signatures", len(cases), sum(judge(text) == f"disguised {brand}" for _, brand, text in cases)
    near = innocents()
    yield "innocent signatures", len(near), sum(judge(text).startswith("disguised") for _, text in near)
    if data is not None:
        lines = (data / "fbs" / "evasion_traditional_mixed.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        alike = sum(canonical(row["text"]) == canonical(row["t2s"]) for row in rows)
        yield "FBS traditional and mixed, read as simplified", len(rows), alike


def microseconds(call: Callable[[Any], object], inputs: list[bytes] | list[str], rounds: int = 9) -> float:
    """CPU time of one call, the least of several rounds over all inputs."""
    least = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for one in inputs:
            call(one)
        least = min(least, time.process_time() - start)
    return least / len(inputs) * 1e6


def costs() -> Iterator[tuple[str, float]]:
    """(what, microseconds a call)."""
    classify = Lexicon(load_default()).classify
    for name, messages in (("a notice", notices(20)), ("an offer", offers(20))):
        raws = [message.text.encode("utf-16-be") for message in messages]
        units = sum(map(len, raws)) / 2 / len(raws)
        yield f"category of {name} ({units:.0f} characters)", microseconds(classify, raws)
    yield "canonical form of a signature", microseconds(canonical_signature, [one for _, one, _ in disguised()])
    for count in (1, 100, 10_000):
        texts = [f"尊敬的客户，您的{{name}}已由{number}号网点受理，请在{{time}}前来办理" for number in range(count)]
        templates = Templates([Template(str(at), NOTIFICATION, 0, text) for at, text in enumerate(texts)])
        inputs = [text.replace("{name}", "包裹").replace("{time}", "今天") for text in texts] * max(1, 2000 // count)
        raws = [text.encode("utf-16-be") for text in inputs]
        assert min(map(templates.plain.find, raws)) >= 0
        yield f"template of a plain message, {count:,} of them", microseconds(templates.plain.find, raws, 5)
        yield f"template of any other, {count:,} of them", microseconds(templates.match, inputs, 5)


def processor() -> str:
    """What the kernel calls this machine's processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    """Print the tables, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = options.data if options.data.is_dir() else None
    machine = f"{processor()}, Python {platform.python_version()}, portguard {flavour()}"
    print(machine + ("" if data else f"\nno evaluation data at {options.data}: FBS and NUS are left out"))
    tables: dict[str, list[Row]] = {"marketing": list(categories(data)), "disguised": list(disguises(data))}
    for title, rows in tables.items():
        print(f"\n| texts | number | {title} | share |\n|---|---|---|---|")
        for name, total, found in rows:
            print(f"| {name} | {total:,} | {found:,} | {found / total:.2%} |")
    spent = list(costs())
    print("\n| cost | µs |\n|---|---|")
    for name, each in spent:
        print(f"| {name} | {each:.2f} |")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine, **tables, "microseconds": spent}, indent=1) + "\n")


if __name__ == "__main__":
    main()
