"""The shipped words on texts that others collected: a floor under their quality, not a target to tune them to."""

import gzip
import json
from pathlib import Path

import pytest

from portguard.sms.category import MARKETING, load_default
from portguard.sms.lexicon import Lexicon

TOKENS = {"DIGIT": "8", "CELLPHONE": "13800000000", "PHONE": "80000000", "URL": "http://t.cn/a1", "WECHAT": "微信",
          "PLACE": "某地", "NAME": "某某"}  # fmt: skip


def share_of_marketing(texts: list[str]) -> float:
    lexicon = Lexicon(load_default())
    return sum(lexicon.classify(text.encode("utf-16-be", "replace")) >> 4 == MARKETING for text in texts) / len(texts)


def rows(path: Path) -> list[str]:
    """One message a line, put together again from its tokens."""
    texts = []
    for line in path.read_text("utf-8", "replace").splitlines():
        for token, text in TOKENS.items():
            line = line.replace(token, text)
        texts.append(line.replace(" ", ""))
    return [text for text in texts if text]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("AD_Retail", 0.97),
        ("AD_Loan", 0.95),
        ("FR_Financial", 0.95),
        ("AD_Real_estate", 0.8),
        ("AD_Network_service", 0.85),
        ("IL_Gambling", 0.55),
    ],
)
def test_advertisements_are_told(shared_data: Path, kind: str, least: float) -> None:
    assert share_of_marketing(rows(shared_data / "fbs" / f"{kind}.txt")) >= least


@pytest.mark.slow
def test_letters_between_people_are_not_advertisements(shared_data: Path) -> None:
    with gzip.open(shared_data / "nus" / "zh_texts.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [str(json.loads(line)["text"]) for line in lines]
    assert share_of_marketing(texts) <= 0.002
