"""Writes fold.tsv, the table behind the canonical form; for maintainers: `python -m portguard.sms.fold_build`.

The table is made here once, from the Unicode data of Python, OpenCC's characters and the confusables list, and shipped:
judgement must not change with the Python or the library that happens to be installed, and keys in a registry image must
fold as the text does. Needs the development extras opencc and confusable-homoglyphs. Nothing else imports this module.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Final


def _pairs(listed: str) -> dict[str, str]:
    """A table written as words: the first character of each becomes the rest of it."""
    return {word[0]: word[1:] for word in listed.split()}


BRACKETS: Final = dict.fromkeys("【〖〔［[「『﹝〘〚⟦⟬❲⁅︻︗﹁﹃︹﹇｢⦗⸢⸤", "【") | dict.fromkeys(
    "】〗〕］]」』﹞〙〛⟧⟭❳⁆︼︘﹂﹄︺﹈｣⦘⸣⸥", "】"
)
# Shapes that readers take for one another and that the lists of the world leave out. Each of these is in no brand's
# place: what is on the left differs from what is on the right by a stroke, in a brand known to be imitated.
LOOK_ALIKE: Final = _pairs("""
    徽微 薇微 溦微 嶶微 叧另 曰日 囗口 戸户 夲本 氺水 亼入 囯国 囻国 镸长 孒子 孓子 亐于 兲天 冄冉 叺入 釒金
    靑青 髙高 呉吴 黒黑 扌手 忄心 氵水 讠言 亻人 钅金 ロ口 ニ二 ハ八 カ力 エ工 タ夕 ト卜 ー一 ミ三 オ才 ノ丿
""")
# GB 2312 has these, yet simplified text writes the other; its remaining "traditional" members are words of their own.
STILL_TRADITIONAL: Final = "後於麽"
# Where the confusables list leads to "l" through "I", or to nothing.
LETTERS: Final = _pairs("""
    Іi іi Ιi ιi ıi Ӏl ӏl Ꭵi ɩi Ⲓi ⲓi ꓲi ℐi ℑi ⵏl ǀl вb Вb βb Βb кk Кk κk мm Мm нh Нh тt Тt τt Ηh ηn μu υu νv ωw
    χx γy αa εe σo ρp ζz пn Пn иu гr з3 З3 łl øo đd ħh ŧt æae œoe ðd ɡg ƒf ʀr ɢg ɪi ɴn ʙb ʜh ʟl ʏy ɛe ᴀa ᴄc ᴅd
    ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz
""")
DOTS: Final = "·•‧・･∙⋅․．。｡᛫⸱●○◦。"
RADICALS: Final = _pairs("""
    ⺀冫 ⺁厂 ⺄乙 ⺅亻 ⺆冂 ⺇几 ⺈刀 ⺉刂 ⺊卜 ⺌小 ⺍小 ⺎兀 ⺑尢 ⺒已 ⺓幺 ⺔彑 ⺕彐 ⺖忄 ⺗心 ⺘扌 ⺙攵
    ⺛旡 ⺜日 ⺝月 ⺞歹 ⺟母 ⺠民 ⺡氵 ⺢水 ⺣灬 ⺤爪 ⺥爪 ⺧牛 ⺨犭 ⺩王 ⺪疋 ⺫目 ⺬示 ⺭礻 ⺮竹 ⺯纟 ⺰纟
    ⺱网 ⺲网 ⺳网 ⺶羊 ⺷羊 ⺸羊 ⺹老 ⺺聿 ⺼肉 ⺽臼 ⺾艹 ⺿艹 ⻀艹 ⻁虎 ⻂衤 ⻃西 ⻄西 ⻅见 ⻆角 ⻈讠 ⻉贝
    ⻋车 ⻌辶 ⻍辶 ⻏阝 ⻐钅 ⻑长 ⻒长 ⻓长 ⻔门 ⻕阜 ⻖阝 ⻗雨 ⻘青 ⻙韦 ⻚页 ⻛风 ⻜飞 ⻝食 ⻞食 ⻟饣 ⻠饣
    ⻡首 ⻢马 ⻣骨 ⻤鬼 ⻥鱼 ⻦鸟 ⻧卤 ⻨麦 ⻩黄 ⻪黾 ⻫齐 ⻬齐 ⻭齿 ⻮齿 ⻯龙 ⻰龙 ⻱龟 ⻲龟 ⻳龟
""")
FILLERS: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u3164\uffa0"
    "\ufff0\ufff1\ufff2\ufff3\ufff4\ufff5\ufff6\ufff7\ufff8"
)
BIDI: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
KANA_MARKS: Final = "\u3099\u309a"
WHITE: Final = "\u2800"

Rule = tuple[str, str]


def hanzi(conversions: Iterable[Callable[[str], str]], character: str) -> str:
    """The simplified form of one character; itself where it is at home in simplified text."""
    if character not in STILL_TRADITIONAL:
        try:
            character.encode("gb2312")
            return character
        except UnicodeEncodeError:
            pass
    for convert in conversions:
        simplified = convert(character)
        if simplified != character and len(simplified) == 1:
            return simplified
    return character


class Folding:
    """What one character folds into, and why; the sources are read once."""

    def __init__(self) -> None:
        import opencc  # type: ignore[import-untyped, unused-ignore]

        self.converters: list[Callable[[str], str]] = [opencc.OpenCC(name).convert for name in ("t2s", "tw2s", "hk2s")]
        kyujitai = opencc.OpenCC("jp2t").convert
        to_simplified = self.converters[0]
        self.converters.append(lambda text: to_simplified(kyujitai(text)))
        source = resources.files("confusable_homoglyphs") / "confusables.json"
        self.similar: dict[str, list[str]] = {
            character: [entry["c"].strip("\u200e") for entry in entries]
            for character, entries in json.loads(source.read_text("utf-8")).items()
        }

    def letter(self, character: str) -> str:
        """The ASCII letter that a letter of another script looks like; itself where there is none."""
        known = LETTERS.get(character)
        if known is not None:
            return known
        kind = unicodedata.category(character)
        if character.isascii() or character == "〇":
            return character
        if kind[0] not in "LN" or unicodedata.bidirectional(character) in ("R", "AL", "AN") or is_cjk(character):
            return character
        seen = {character}
        ring = [character]
        for _ in range(3):
            ring = [one for here in ring for one in self.similar.get(here, ()) if one not in seen]
            for one in ring:
                if len(one) == 1 and one.isascii() and one.isalpha():
                    return one.lower()
            ring = [one for one in ring if not one.isascii()]
            seen.update(ring)
        return character

    def rule(self, character: str) -> Rule:
        """(into, why) of one character; into itself with no reason where it stays."""
        code = ord(character)
        kind = unicodedata.category(character)
        if character in BRACKETS:
            return BRACKETS[character], "bracket"
        if character.isspace() or kind[0] == "Z" or character in WHITE:
            return " ", "space"
        if character in DOTS:
            return ".", "dot"
        if character in BIDI:
            return "", "bidi"
        if kind in ("Cf", "Cc") or character in FILLERS or 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF:
            return "", "zero-width"
        if kind in ("Mn", "Me") and ("COMBINING" in unicodedata.name(character, "") or kind == "Me"):
            return "", "mark"
        into = self.decomposed(character)
        return into, self.reason(character, into)

    def decomposed(self, character: str) -> str:
        """The character after every folding of letters, to the point where another pass changes nothing."""
        text = character
        for _ in range(8):
            folded = "".join(map(self.one_pass, text))
            if folded == text:
                break
            text = folded
        # No fold makes a text much longer: a few ligatures that stand for whole words stay as they are.
        return text if len(text) <= 4 else character

    def one_pass(self, character: str) -> str:
        code = ord(character)
        if 0x3040 <= code <= 0x30FF and character not in LOOK_ALIKE:
            return character
        if 0x1F150 <= code <= 0x1F169 or 0x1F170 <= code <= 0x1F189:
            return chr((code - 0x1F150) % 32 + 97)
        if 0x1F1E6 <= code <= 0x1F1FF:
            return chr(code - 0x1F1E6 + 97)
        if character in RADICALS:
            return RADICALS[character]
        if character in DOTS:
            return "."
        if character in BRACKETS:
            return BRACKETS[character]
        plain = unicodedata.normalize("NFKD", character)
        if plain != character and not keeps_marks(character):
            kept = "".join(one for one in plain if not unicodedata.combining(one) or one in KANA_MARKS)
            kept = unicodedata.normalize("NFC", kept).replace("\u2044", "/")
            return "".join(" " if one.isspace() else one for one in kept if one not in KANA_MARKS)
        if character in LOOK_ALIKE:
            return LOOK_ALIKE[character]
        if is_cjk(character):
            return hanzi(self.converters, character)
        letter = self.letter(character)
        return letter if letter != character else character.casefold()

    def reason(self, character: str, into: str) -> str:
        """One word for what a fold undoes."""
        code = ord(character)
        if character.casefold() == into:
            return "case"
        if 0xFF00 <= code <= 0xFFEF or unicodedata.decomposition(character).startswith(("<wide>", "<narrow>")):
            return "width"
        if character in LOOK_ALIKE or character in RADICALS or 0x2F00 <= code <= 0x2FDF:
            return "look-alike"
        if is_cjk(character):
            return "traditional" if hanzi(self.converters, character) != character else "compatibility"
        if unicodedata.decomposition(character).startswith("<"):
            return "compatibility"
        base = unicodedata.normalize("NFKD", character)[0]
        return "mark" if base.isascii() and base != character else "script"


def keeps_marks(character: str) -> bool:
    """Whether a mark is part of the letter, as in Indic, Semitic and Korean scripts, and not an ornament on it."""
    if unicodedata.decomposition(character).startswith("<"):
        return False
    name = unicodedata.name(character, "")
    return not (
        is_cjk(character)
        or "LATIN" in name
        or "GREEK" in name
        or "CYRILLIC" in name
        or "CJK" in name
        or ord(character) < 0x250
        or 0x2000 <= ord(character) <= 0x2FFF
    )


def is_cjk(character: str) -> bool:
    """Whether the character is a hanzi, of any extension or compatibility block."""
    code = ord(character)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def lines() -> Iterable[str]:
    """The rows of the table: into, why, and the code points it is made of, in hexadecimal."""
    folding = Folding()
    groups: dict[Rule, list[int]] = {}
    planes = (
        range(0xD800),
        range(0xE000, 0xE000),
        range(0xF900, 0x20000),
        range(0x20000, 0x2FA20),
        range(0xE0000, 0xE1000),
    )
    for plane in planes:
        for code in plane:
            character = chr(code)
            if unicodedata.category(character) == "Cn" and not 0xE0000 <= code <= 0xE0FFF and character not in FILLERS:
                continue
            into, why = folding.rule(character)
            if into != character:
                groups.setdefault((into, why), []).append(code)
    for (into, why), codes in sorted(groups.items()):
        yield f"{' '.join(f'{ord(one):X}' for one in into) or '-'}\t{why}\t{spans(codes)}"


def spans(codes: list[int]) -> str:
    """Ascending code points as hexadecimal, runs as first-last."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return " ".join(f"{first:X}" if first == last else f"{first:X}-{last:X}" for first, last in runs)


def main() -> None:
    """Write fold.tsv beside this module, or to the path given."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("fold.tsv")
    rows = list(lines())
    target.write_text("\n".join(["into\twhy\tfrom", *rows, ""]), encoding="ascii")
    print(f"{target}: {len(rows)} rows")


if __name__ == "__main__":
    main()
