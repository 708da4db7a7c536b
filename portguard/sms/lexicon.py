"""What kind of content a text is, by the words in it: a weighted list, and one pass over UTF-16BE octets.

Nouns: a **symbol** is one folded character as words see it: spaces, dots and signs between characters are gone, a run of
digits is one `#`, a letter that begins a run of ASCII letters is marked, and punctuation is one symbol that no word
holds. A **word** is two to WORD_LIMIT symbols with a **weight** in one or more categories. Compiled; runs interpreted too.
Must not know rules, signatures or ports.

How it decides. Each distinct word counts once, and not where it is only part of a longer word that counts. The weights
are added up by category. A category needs two different words and THRESHOLD; marketing needs MARKETING_THRESHOLD.
Marketing of MARKETING_SURE decides whatever else is in the text, because an offer hung on a notice is an offer and its
author chooses the rest of the words; below that it decides when no other category has more. Otherwise the category
with the most decides; in a tie verification comes before notification before personal. Words that speak against a
category have negative weights, together no more than AGAINST_LIMIT. So no single word ever decides, whatever its weight:
not a link, a price, an opt-out phrase or 验证码. The industry is the one with the most weight within the category.
"""

from typing import Final

from librt.strings import read_i16_be
from librt.vecs import vec
from mypy_extensions import i64

from portguard.sms.canonical import BREAK, DELETED, DIGIT, ELSEWHERE, GAP, fold_elsewhere, word_table
from portguard.sms.category import INDUSTRIES, MARKETING, UNKNOWN, VERIFICATION

THRESHOLD: Final = 4
MARKETING_THRESHOLD: Final = 6
MARKETING_SURE: Final = 10
AGAINST_LIMIT: Final = 6
WEIGHT_LIMIT: Final = 10
WORD_LIMIT: Final = 32

NUMBER: Final = 0x23
START: Final = 0x10000
SYMBOL_BITS: Final = 17
MULTIPLIER: Final = 0x9E3779B
PAIR_MULTIPLIER: Final = 40503
CATEGORIES: Final = 5
# How many symbols of one text are read; the largest PDU carries less than this, expanded characters aside.
TEXT_LIMIT: Final = 40000


class Lexicon:
    """A word list made ready. Not for two threads at once: the working space is part of the object."""

    _classes: bytes
    _elsewhere: dict[int, bytes]
    _pairs: bytes
    _pair_mask: i64
    _keys: vec[i64]
    _nodes: vec[i64]
    _mask: i64
    _terminal: vec[i64]
    _words: list[str]
    _first: vec[i64]
    _slots: vec[i64]
    _weights: vec[i64]
    _symbols: vec[i64]
    _candidates: vec[i64]
    _count: i64
    _candidate_count: i64
    _stamps: vec[i64]
    _round: i64
    _hits: vec[i64]
    _hit_count: i64
    _covered: list[int]
    _totals: vec[i64]
    _against: vec[i64]
    _numbers: vec[i64]
    _scores: vec[i64]
    _explaining: bool

    def __init__(self, words: list[tuple[str, int, int, int]]) -> None:
        """`words` are (word, category, industry, weight); a later row for the same word and category replaces an earlier
        one, and a weight of 0 takes it out. ValueError names a word that `word_error` finds fault with."""
        self._classes = word_table()
        self._elsewhere = fold_elsewhere()
        self._pairs = b"\x00"
        self._pair_mask = 0
        self._symbols = vec[i64]([0] * 1024)
        self._candidates = vec[i64]([0] * 1024)
        self._count = 0
        self._candidate_count = 0
        self._round = 0
        self._hit_count = 0
        self._covered = []
        self._explaining = False
        self._totals = vec[i64]([0] * CATEGORIES)
        self._against = vec[i64]([0] * CATEGORIES)
        self._numbers = vec[i64]([0] * CATEGORIES)
        self._scores = vec[i64]([0] * INDUSTRIES)
        self._build(self._rows(words))

    def _rows(self, words: list[tuple[str, int, int, int]]) -> dict[str, dict[int, tuple[int, int]]]:
        """(industry, weight) by word and category; words that are spelled with the same symbols are one word."""
        rows: dict[str, dict[int, tuple[int, int]]] = {}
        spelled: dict[tuple[int, ...], str] = {}
        for word, category, industry, weight in words:
            error = word_error(word)
            if error is not None:
                raise ValueError(error)
            word = spelled.setdefault(tuple(self._spell(word)), word)
            rows.setdefault(word, {})[category] = (industry, max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT, weight)))
        return {word: entries for word, entries in rows.items() if any(weight for _, weight in entries.values())}

    def _build(self, rows: dict[str, dict[int, tuple[int, int]]]) -> None:
        """Fill the pair filter, the trie (one open-addressed table keyed by node and symbol) and the weights."""
        spellings = {word: self._spell(word) for word in rows}
        pairs = {(symbols[0], symbols[1]) for symbols in spellings.values()}
        size = 16384
        while size < 32 * len(pairs) and size < 1 << 20:
            size *= 2
        pair_filter = bytearray(size)
        for first, second in pairs:
            pair_filter[(first * PAIR_MULTIPLIER + second) & (size - 1)] = 1
        self._pairs = bytes(pair_filter)
        self._pair_mask = size - 1

        total = sum(len(symbols) for symbols in spellings.values())
        slots = 1024
        while slots < 4 * total:
            slots *= 2
        self._mask = slots - 1
        self._keys = vec[i64]([-1] * slots)
        self._nodes = vec[i64]([0] * slots)
        terminal: list[int] = [0]
        self._words = [""]
        first_entry: list[int] = [0, 0]
        entry_slots: list[int] = []
        entry_weights: list[int] = []
        for word, symbols in spellings.items():
            node = 0
            for symbol in symbols:
                key: i64 = node << SYMBOL_BITS | symbol
                slot = self._find(key)
                if self._keys[slot] != key:
                    self._keys[slot] = key
                    self._nodes[slot] = len(terminal)
                    terminal.append(0)
                node = int(self._nodes[slot])
            terminal[node] = len(self._words)
            self._words.append(word)
            for category, (industry, weight) in sorted(rows[word].items()):
                if weight:
                    entry_slots.append(category * INDUSTRIES + industry)
                    entry_weights.append(weight)
            first_entry.append(len(entry_slots))
        self._terminal = vec[i64](terminal)
        self._first = vec[i64](first_entry)
        self._slots = vec[i64](entry_slots)
        self._weights = vec[i64](entry_weights)
        self._stamps = vec[i64]([0] * len(self._words))
        self._hits = vec[i64]([0] * len(self._words))

    def _find(self, key: i64) -> i64:
        """The slot that holds `key`, or the free one where it would go."""
        slot: i64 = (key * MULTIPLIER >> 20) & self._mask
        keys = self._keys
        while keys[slot] != key and keys[slot] >= 0:
            slot = (slot + 1) & self._mask
        return slot

    def _spell(self, word: str) -> list[int]:
        """The symbols of a word of the list, in which # stands for a number; breaks at its ends are dropped."""
        self._read(word.replace("#", "0").encode("utf-16-be", "replace"))
        found = [int(self._symbols[position]) for position in range(self._count)]
        while found and found[-1] == BREAK:
            found.pop()
        return found[1:] if found and found[0] == BREAK else found

    def classify(self, raw: bytes) -> i64:
        """category * 16 + industry of a text in sound UTF-16BE; 0 when its words do not say."""
        self._read(raw)
        if self._candidate_count == 0:
            return UNKNOWN
        self._match()
        if self._hit_count < 2:
            return UNKNOWN
        return self._decide()

    def explain(self, raw: bytes) -> list[tuple[str, int, int, int, bool]]:
        """(word, category, industry, weight, counted) of every word found, in order of appearance; False for a word that
        is only part of a longer one."""
        self._read(raw)
        self._explaining = True
        self._covered = []
        self._match()
        self._explaining = False
        found: list[tuple[str, int, int, int, bool]] = []
        counted = [int(self._hits[position]) for position in range(self._hit_count)]
        seen = set(counted)
        for word in counted + [word for word in dict.fromkeys(self._covered) if word not in seen]:
            for entry in range(int(self._first[word]), int(self._first[word + 1])):
                category, industry = divmod(int(self._slots[entry]), INDUSTRIES)
                found.append((self._words[word], category, industry, int(self._weights[entry]), word in seen))
        return found

    def _read(self, raw: bytes) -> None:
        """Turn octets into symbols, and note where a pair of them begins some word."""
        classes = self._classes
        pairs = self._pairs
        mask: i64 = self._pair_mask
        end: i64 = len(raw)
        if end > 2 * TEXT_LIMIT:
            end = 2 * TEXT_LIMIT
        if end // 2 > len(self._symbols):
            self._symbols = vec[i64]([0] * int(end // 2))
            self._candidates = vec[i64]([0] * int(end // 2))
        symbols = self._symbols
        candidates = self._candidates
        count: i64 = 0
        found: i64 = 0
        previous: i64 = BREAK
        in_letters = False
        position: i64 = 0
        while position + 1 < end:
            unit: i64 = i64(read_i16_be(raw, position)) & 0xFFFF
            position += 2
            symbol: i64 = i64(read_i16_be(classes, unit * 2)) & 0xFFFF
            if symbol == ELSEWHERE:
                symbol = self._resolve(raw, position - 2, unit)
            if symbol >= 0x80:
                in_letters = False
            elif symbol > DIGIT:
                if not in_letters:
                    symbol |= START
                    in_letters = True
            elif symbol == DELETED:
                continue
            else:
                in_letters = False
                if symbol == GAP:
                    continue
                if symbol == DIGIT:
                    symbol = NUMBER
                if symbol == previous:
                    continue
            if pairs[(previous * PAIR_MULTIPLIER + symbol) & mask]:
                candidates[found] = count - 1
                found += 1
            symbols[count] = symbol
            count += 1
            previous = symbol
        self._count = count
        self._candidate_count = found

    def _resolve(self, raw: bytes, position: i64, unit: i64) -> i64:
        """The class of a character that the table of units cannot say, by the first character it folds into.

        A surrogate pair counts at its first half, and one that folds into nothing known (an emoji) is DELETED.
        """
        code: i64 = unit
        if 0xDC00 <= unit <= 0xDFFF:
            return DELETED
        if 0xD800 <= unit < 0xDC00:
            if position + 4 > len(raw):
                return DELETED
            low: i64 = i64(read_i16_be(raw, position + 2)) & 0x3FF
            code = 0x10000 + ((unit & 0x3FF) << 10) + low
        octets = self._elsewhere.get(code)
        if octets is None or len(octets) == 0:
            return DELETED
        into: i64 = i64(read_i16_be(octets, 0)) & 0xFFFF
        into = i64(read_i16_be(self._classes, into * 2)) & 0xFFFF
        return DELETED if into == ELSEWHERE else into

    def _match(self) -> None:
        """Note the words of the symbols just read: at every candidate the longest, unless a longer one covers it."""
        symbols = self._symbols
        keys = self._keys
        mask: i64 = self._mask
        count: i64 = self._count
        covered: i64 = 0
        self._hit_count = 0
        self._round += 1
        index: i64 = 0
        while index < self._candidate_count:
            start: i64 = self._candidates[index]
            index += 1
            if start < 0:  # a pair of the beginning of the text and its first symbol
                continue
            node: i64 = 0
            position: i64 = start
            best: i64 = 0
            best_end: i64 = 0
            while position < count:
                key: i64 = node << SYMBOL_BITS | symbols[position]
                slot: i64 = (key * MULTIPLIER >> 20) & mask
                while keys[slot] != key and keys[slot] >= 0:
                    slot = (slot + 1) & mask
                if keys[slot] != key:
                    break
                node = self._nodes[slot]
                position += 1
                if self._terminal[node] and self._ends_word(position):
                    best = self._terminal[node]
                    best_end = position
            if best == 0:
                continue
            if best_end > covered:
                covered = best_end
                if self._stamps[best] != self._round:
                    self._stamps[best] = self._round
                    self._hits[self._hit_count] = best
                    self._hit_count += 1
            elif self._explaining:
                self._covered.append(int(best))

    def _ends_word(self, position: i64) -> bool:
        """Whether a word may end before `position`: not in the middle of a run of ASCII letters."""
        if position >= self._count:
            return True
        symbol: i64 = self._symbols[position]
        last: i64 = self._symbols[position - 1] & 0xFFFF
        return symbol < 0x61 or symbol > 0x7A or last < 0x61 or last > 0x7A

    def _decide(self) -> i64:
        """Add up the words noted by category, and choose."""
        totals = self._totals
        against = self._against
        numbers = self._numbers
        category: i64 = 0
        while category < CATEGORIES:
            totals[category] = 0
            against[category] = 0
            numbers[category] = 0
            category += 1
        position: i64 = 0
        while position < self._hit_count:
            word: i64 = self._hits[position]
            position += 1
            entry: i64 = self._first[word]
            until: i64 = self._first[word + 1]
            while entry < until:
                category = self._slots[entry] >> 4
                weight: i64 = self._weights[entry]
                if weight < 0:
                    against[category] -= weight
                else:
                    totals[category] += weight
                    numbers[category] += 1
                entry += 1
        category = VERIFICATION
        most: i64 = THRESHOLD - 1
        chosen: i64 = UNKNOWN
        marketing: i64 = 0
        while category < CATEGORIES:
            total: i64 = totals[category]
            if against[category] > 0:
                total -= against[category] if against[category] < AGAINST_LIMIT else AGAINST_LIMIT
            if numbers[category] < 2:
                total = 0
            if category == MARKETING:
                marketing = total
            elif total > most:
                most = total
                chosen = category
            category += 1
        if marketing >= MARKETING_THRESHOLD and (marketing >= MARKETING_SURE or marketing >= most):
            chosen = MARKETING
        if chosen == UNKNOWN:
            return UNKNOWN
        return chosen * INDUSTRIES + self._industry(chosen)

    def _industry(self, category: i64) -> i64:
        """The industry with the most weight within a category; 0 when none of its words belongs to one."""
        scores = self._scores
        position: i64 = 0
        while position < INDUSTRIES:
            scores[position] = 0
            position += 1
        best: i64 = 0
        industry: i64 = 0
        position = 0
        while position < self._hit_count:
            word: i64 = self._hits[position]
            position += 1
            entry: i64 = self._first[word]
            while entry < self._first[word + 1]:
                slot: i64 = self._slots[entry]
                if slot >> 4 == category and slot & 15 != 0:
                    scores[slot & 15] += self._weights[entry]
                    if scores[slot & 15] > best:
                        best = scores[slot & 15]
                        industry = slot & 15
                entry += 1
        return industry


def word_error(word: str) -> str | None:
    """What is wrong with a word of the list, or None: it needs two to WORD_LIMIT characters that are not signs."""
    letters = [character for character in word if character.isalnum() or character == "#"]
    if len(letters) < 2:
        return f"a word needs at least 2 letters, digits or hanzi, got {word!r}"
    if len(letters) > WORD_LIMIT:
        return f"a word has at most {WORD_LIMIT} characters, got {len(letters)}"
    return None
