"""What kind of content a text is, by the words in it: a weighted list, and one pass over UTF-16BE octets.

Nouns: a **symbol** is one folded character as words see it: spaces, dots and signs between characters are gone, a run
of digits is one `#`, a letter that begins a run of ASCII letters is marked, and punctuation is one symbol that ends a
word. A **word** is two to WORD_LIMIT symbols with a **weight** in one or more categories. Compiled; runs interpreted
too. Must not know rules, signatures or ports.

How it decides. Each distinct word counts once, and not where it is only part of a longer word that counts; a signature
at the head is no content. Weights are added up by category. Words of weight 1 (a link, a price) add no more than
WEAK_LIMIT together, and words that speak against a category, with negative weights, take away no more than
AGAINST_LIMIT; only words of -WARNING or less, which warn of what they name, take WARNING each, up to WARNING_LIMIT of
them, from marketing. A category needs two words above weight 1 and THRESHOLD. Marketing needs MARKETING_THRESHOLD and
a word of weight OFFER, one that offers something; words of weight 2 name what an offer and a notice both speak of (a
loan, shoes, how to refuse), and are an offer by themselves from TOPICS_THRESHOLD on. Marketing of MARKETING_SURE
decides whatever else is in the text, because an offer hung on a notice is an offer and its author chooses the rest of
the words; below that it decides when no other category has more. Otherwise the category with the most decides; in a tie
verification comes before notification before personal. So no single word decides, whatever its weight: not a link, a
price, an opt-out phrase or 验证码. The industry is the one with the most weight in the category.
"""

from typing import Final

from librt.strings import read_i16_be
from librt.vecs import vec
from mypy_extensions import i64

from portguard.sms.canonical import BREAK, DELETED, DIGIT, ELSEWHERE, GAP, fold_elsewhere, word_table
from portguard.sms.category import INDUSTRIES, MARKETING, UNKNOWN, VERIFICATION, WORD_LIMIT, word_error
from portguard.sms.pair_filter import LONGER, PAIR_MULTIPLIER, SECOND, WHOLE, pair_filter, pairs_within
from portguard.sms.sight import in_sight
from portguard.sms.text import after_signature
from portguard.sms.trie import FREE, MULTIPLIER, NODE_BITS, NODE_MASK, PAIR, SYMBOL_BITS, trie

THRESHOLD: Final = 4
MARKETING_THRESHOLD: Final = 6
MARKETING_SURE: Final = 12
TOPICS_THRESHOLD: Final = 9
OFFER: Final = 3
AGAINST_LIMIT: Final = 6
WARNING: Final = 6
WARNING_LIMIT: Final = 4
WEAK_LIMIT: Final = 2
WEIGHT_LIMIT: Final = 10

_OVERRIDE: Final = 0x202E
NUMBER: Final = 0x23
START: Final = 0x10000
CATEGORIES: Final = 5
TEXT_LIMIT: Final = 40000  # symbols of one text that are read; the largest PDU carries less


class Lexicon:
    """A word list made ready. Not for two threads at once: the working space is part of the object."""

    def __init__(self, words: list[tuple[str, int, int, int]]) -> None:
        """`words` are (word, category, industry, weight); of rows for one word and category the last counts, and a
        weight of 0 takes it out. ValueError names a word that `word_error` finds fault with."""
        self._classes: bytes = word_table()
        self._elsewhere: dict[int, bytes] = fold_elsewhere()
        self._pairs: bytes = b"\x00"
        self._pair_mask: i64 = 0
        self._within: bytes = b"\x00"
        self._symbols: vec[i64] = vec[i64]([0] * 1024)
        self._candidates: vec[i64] = vec[i64]([0] * 1024)
        self._count: i64 = 0
        self._candidate_count: i64 = 0
        self._round: i64 = 0
        self._hit_count: i64 = 0
        self._covered: list[int] = []
        self._explaining: bool = False
        # Was the text that was read last turned around for the eye?
        self.turned: bool = False
        self._totals: vec[i64] = vec[i64]([0] * CATEGORIES)
        self._against: vec[i64] = vec[i64]([0] * CATEGORIES)
        self._weak: vec[i64] = vec[i64]([0] * CATEGORIES)
        self._numbers: vec[i64] = vec[i64]([0] * CATEGORIES)
        self._scores: vec[i64] = vec[i64]([0] * INDUSTRIES)
        rows, spellings = self._rows(words)
        self._build(rows, spellings)

    def _rows(
        self, words: list[tuple[str, int, int, int]]
    ) -> tuple[dict[str, dict[int, tuple[int, int]]], dict[str, list[int]]]:
        """(industry, weight) by word and category, and the symbols of each word; words that are spelled with the same
        are one word."""
        rows: dict[str, dict[int, tuple[int, int]]] = {}
        spelled: dict[tuple[int, ...], str] = {}
        spellings: dict[str, list[int]] = {}
        for word, category, industry, weight in words:
            error = word_error(word)
            if error is not None:
                raise ValueError(error)
            symbols = self._spell(word)
            if not 2 <= len(symbols) <= WORD_LIMIT:
                raise ValueError(f"a word needs 2 to {WORD_LIMIT} letters, numbers or hanzi, got {word!r}")
            word = spelled.setdefault(tuple(symbols), word)
            spellings[word] = symbols
            rows.setdefault(word, {})[category] = (industry, max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT, weight)))
        rows = {word: entries for word, entries in rows.items() if any(weight for _, weight in entries.values())}
        return rows, {word: spellings[word] for word in rows}

    def _build(self, rows: dict[str, dict[int, tuple[int, int]]], spellings: dict[str, list[int]]) -> None:
        """Fill the pair filter, the trie and the weights."""
        self._pairs = pair_filter(list(spellings.values()))
        self._pair_mask = len(self._pairs) - 1
        self._within = pairs_within(list(spellings.values()))
        steps, nodes = trie(list(spellings.values()))
        self._steps: vec[i64] = vec[i64](steps)
        self._mask: i64 = len(steps) - 1
        self._nodes: vec[i64] = vec[i64](nodes)
        self._words: list[str] = ["", *spellings]
        first_entry: list[int] = [0, 0]
        entries: list[int] = []
        for word in spellings:
            for category, (industry, weight) in sorted(rows[word].items()):
                if weight:
                    entries.append((weight + WEIGHT_LIMIT) << 8 | category * INDUSTRIES + industry)
            first_entry.append(len(entries))
        self._first: vec[i64] = vec[i64](first_entry)
        self._entries: vec[i64] = vec[i64](entries)
        self._stamps: vec[i64] = vec[i64]([0] * len(self._words))
        self._hits: vec[i64] = vec[i64]([0] * len(self._words))

    def _spell(self, word: str) -> list[int]:
        """The symbols of a word of the list, in which # stands for a number; breaks at its ends are dropped."""
        self._read(word.replace("#", "0").encode("utf-16-be", "replace"))
        found = [int(self._symbols[position]) for position in range(self._count)]
        while found and found[-1] == BREAK:
            found.pop()
        return found[1:] if found and found[0] == BREAK else found

    def joins(self, first: i64, second: i64) -> bool:
        """May there be a word in which these two symbols stand beside each other? False is sure."""
        pair: i64 = first * PAIR_MULTIPLIER + second
        return i64(self._within[(pair >> 3) & (len(self._within) - 1)]) >> (pair & 7) & 1 != 0

    def classify(self, raw: bytes) -> i64:
        """category * 16 + industry of a text in sound UTF-16BE; 0 when its words do not say. A text that is turned
        around for the eye is read both ways."""
        found = self._told(raw)
        if self.turned:
            shown = in_sight(raw.decode("utf-16-be", "replace")).encode("utf-16-be", "replace")
            other = self._told(shown)
            self.turned = True
            if found == UNKNOWN or other >> 4 == MARKETING:
                return other
        return found

    def _told(self, raw: bytes) -> i64:
        self._read(raw)
        self._match()
        if self._hit_count < 2:
            return UNKNOWN
        return self._decide()

    def explain(self, raw: bytes) -> list[tuple[str, int, int, int, bool]]:
        """(word, category, industry, weight, counted) of every word found, in order of appearance; those that are only
        part of a longer one come last and do not count."""
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
                weight, slot = divmod(int(self._entries[entry]), 256)
                category, industry = divmod(slot, INDUSTRIES)
                found.append((self._words[word], category, industry, weight - WEIGHT_LIMIT, word in seen))
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
        in_letters = open_pair = self.turned = False
        position: i64 = after_signature(raw, 0, end)
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
                if unit == _OVERRIDE:
                    self.turned = True
                continue
            else:
                in_letters = False
                if symbol == GAP:
                    continue
                if symbol == DIGIT:
                    symbol = NUMBER
                if symbol == previous:
                    continue
            pair: i64 = pairs[(previous * PAIR_MULTIPLIER + symbol) & mask]
            if pair:
                # A pair that only begins longer words counts when the next pair goes on with some word.
                if open_pair and pair & SECOND:
                    candidates[found] = count - 2
                    found += 1
                open_pair = pair == LONGER or pair == LONGER | SECOND
                if pair & WHOLE:
                    candidates[found] = count - 1
                    found += 1
            else:
                open_pair = False
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
        candidates = self._candidates
        steps = self._steps
        nodes = self._nodes
        stamps = self._stamps
        hits = self._hits
        mask: i64 = self._mask
        count: i64 = self._count
        candidate_count: i64 = self._candidate_count
        round_number: i64 = self._round + 1
        self._round = round_number
        covered: i64 = 0
        found: i64 = 0
        index: i64 = 0
        while index < candidate_count:
            position: i64 = candidates[index]
            index += 1
            if position < 0:  # a pair of what stands before the text and its first symbol
                continue
            key: i64 = PAIR | symbols[position] << SYMBOL_BITS | symbols[position + 1]
            position += 2
            best: i64 = 0
            best_end: i64 = 0
            while True:
                slot: i64 = (key * MULTIPLIER >> 22) & mask
                step: i64 = steps[slot]
                while step >> NODE_BITS != key and step != FREE:
                    slot = (slot + 1) & mask
                    step = steps[slot]
                if step == FREE:
                    break
                node: i64 = step & NODE_MASK
                word: i64 = nodes[node]
                symbol: i64 = BREAK
                if position < count:
                    symbol = symbols[position]
                # A word does not end in the middle of a run of ASCII letters.
                if word > 1 and (symbol < 0x61 or symbol > 0x7A or symbols[position - 1] & 0xFF80):
                    best = word >> 1
                    best_end = position
                if position >= count or not word & 1:
                    break
                key = node << SYMBOL_BITS | symbol
                position += 1
            if best == 0:
                continue
            if best_end > covered:
                covered = best_end
                if stamps[best] != round_number:
                    stamps[best] = round_number
                    hits[found] = best
                    found += 1
            elif self._explaining:
                self._covered.append(int(best))
        self._hit_count = found

    def _decide(self) -> i64:
        """Add up the words noted by category, and choose."""
        hits = self._hits
        first = self._first
        entries = self._entries
        totals = self._totals
        against = self._against
        weak = self._weak
        numbers = self._numbers
        hit_count: i64 = self._hit_count
        offers: i64 = 0
        warnings: i64 = 0
        category: i64
        for category in range(CATEGORIES):
            totals[category] = against[category] = weak[category] = numbers[category] = 0
        position: i64 = 0
        while position < hit_count:
            word: i64 = hits[position]
            position += 1
            entry: i64 = first[word]
            until: i64 = first[word + 1]
            while entry < until:
                packed: i64 = entries[entry]
                entry += 1
                category = (packed & 0xFF) >> 4
                weight: i64 = (packed >> 8) - WEIGHT_LIMIT
                if weight <= -WARNING:
                    warnings += 1
                elif weight < 0:
                    against[category] -= weight
                elif weight == 1:
                    weak[category] += 1
                else:
                    totals[category] += weight
                    numbers[category] += 1
                    if category == MARKETING and weight >= OFFER:
                        offers += 1
        most: i64 = THRESHOLD - 1
        chosen: i64 = UNKNOWN
        marketing: i64 = 0
        for category in range(VERIFICATION, CATEGORIES):
            total: i64 = totals[category] + min(weak[category], WEAK_LIMIT) - min(against[category], AGAINST_LIMIT)
            if numbers[category] < 2:
                total = 0
            if category == MARKETING:
                marketing = total - WARNING * min(warnings, WARNING_LIMIT)
                if offers == 0 and marketing < TOPICS_THRESHOLD:
                    marketing = 0
            elif total > most:
                most = total
                chosen = category
        if marketing >= MARKETING_THRESHOLD and (marketing >= MARKETING_SURE or marketing >= most):
            chosen = MARKETING
        if chosen == UNKNOWN:
            return UNKNOWN
        return chosen * INDUSTRIES + self._industry(chosen)

    def _industry(self, category: i64) -> i64:
        """The industry with the most weight within a category; 0 when none of its words belongs to one."""
        hits = self._hits
        first = self._first
        entries = self._entries
        scores = self._scores
        hit_count: i64 = self._hit_count
        slot: i64
        for slot in range(INDUSTRIES):
            scores[slot] = 0
        best: i64 = 0
        industry: i64 = 0
        position: i64 = 0
        while position < hit_count:
            word: i64 = hits[position]
            position += 1
            entry: i64 = first[word]
            until: i64 = first[word + 1]
            while entry < until:
                packed: i64 = entries[entry]
                entry += 1
                slot = packed & 0xF
                if slot and (packed & 0xFF) >> 4 == category:
                    total: i64 = scores[slot] + (packed >> 8) - WEIGHT_LIMIT
                    scores[slot] = total
                    if total > best:
                        best = total
                        industry = slot
        return industry
