"""Write clip_tokens.json: the ids that OpenAI's own tokenizer gives for strings of every awkward kind.

    python -m tests.golden.make_clip_tokens CLIP/clip/bpe_simple_vocab_16e6.txt.gz

The argument is the vocabulary in a clone of openai/CLIP, with ``simple_tokenizer.py`` beside it, which computes the ids; it
needs the package regex. Its call of ftfy, which repairs wrong decoding, is replaced by nothing, as in tinymm. With the ids
come those merges, by rank, that the original found in its table on the way: with these alone it would give the same ids.
The default test run compares with this file, so that it needs neither the package nor the vocabulary.
"""

import importlib.util
import json
import pathlib
import random
import sys
import types

LECTURE = ["a photo of a dog", "a diagram", "hello world!!", "it's 2021: 3.14", "na\u00efve caf\u00e9 \U0001f600", "don't",
           "foo_bar", "\u65e5\u672c\u8a9e", "&lt;b&gt; &amp;amp; x"]

STRINGS = LECTURE + ["x" * 50, "!" * 40, "ab" * 30] + [
    "", " ", "\t\r\n", "!", "a", "A photo of a DOG.", "  two   spaces\tand\na line  ",
    "no\u00a0break\u3000wide\u2028line\u0085next",
    "a photo of the large golden retriever riding a skateboard in San Francisco, 1999.", "antidisestablishmentarianism",
    "I'm sure you'll say we've, he'd, they're, it's and can't", "'S 'T 'RE 'VE 'M 'LL 'D",
    "''s'' 'sure 'tis 'em o'clock rock'n'roll", "'\u017f \u017f's the long s: \u017ftop",
    "\u2019s typographic \u2018quotes\u2019 \u201cdouble\u201d", "'\u00e9 '\u0307t", "<|startoftext|>", "<|endoftext|>",
    "a<|endoftext|>b <|STARTOFTEXT|>", "<|\u017ftartoftext|> <|start|> <|endoftext>", "<|endoftext|>!!", "&lt;|endoftext|&gt;",
    "&amp;lt;b&amp;gt; &amp;amp;amp; &quot;q&quot; &#39;s &#x41; &nbsp;x&nbsp; &copy &unknown; &", "AT&T R&B a&b;",
    "0123456789", "3.14 1,000 5:30pm 2x4 1st",
    "\u0663\u0664 \u0967\u0968 \uff11\uff12 \u00bd\u00b2 \u2167\u2168 \u3007\u4e00\u2460", "v2.0-rc1_final", "_ __ ___ a_b _a",
    "!!! ??? ... -- !? :) :-( <3 ^_^ \\o/", "#hashtag @user http://example.com/a?b=c&d=e%20f",
    "{}[]()<>|~`^$\u20ac\u00a3\u00a5", "</w>", "a</w>b </w> w>", "e\u0301 cafe\u0301 a\u0308\u0323", "\u0345 a\u0345b !\u0345!",
    "\u0130stanbul I\u0307 \u0131 Stra\u00dfe \u1e9e \ufb01 \ufb05", "\u212a \u212b \u03a9\u2126 \u01c5 \u01c4",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u1f88",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u041f\u0440\u0438\u0432\u0435\u0442",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0650\u0633\u0652\u0645",
    "\u05e9\u05dc\u05d5\u05dd \u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0995\u09cd\u09b7",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\uc548\ub155\ud558\uc138\uc694 \u1112\u1161\u11ab",
    "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca\u30fc", "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\U00020000\U0002a6d6", "\uff21\uff22\uff23 \uff41\uff42 \uff01",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\U0001f600\U0001f600\U0001f600", "love\u2764you\u263a", "\U00010400 \U0001d400\U0001d7d8 \U0001f130",
    "a\u200bb a\u200db a\u00adb \ufeffa", "\x00 \x01a\x7f", "a\x1cb \x1d \x1e\x1fc", "\x1c edges \x1f", "&#x1c;a&#133;b",
    "\u0300\u0301 \u20dd", "\u02b0\u02c7 \u00aa\u00ba", "\ue000 \U0010ffff \ufffd \ufdd0", "\u180e \u200e\u202e\u2060",
    "zzzzzzzzzzzzzzzzzzzz aaaaaaaaaaaaaaa hahahahahahaha", "supercalifragilisticexpialidocious pneumonoultramicroscopic",
    "caf\u00c3\u00a9 \u00e2\u20ac\u2122", "a red square above a blue circle", "a photo of a {label}.", "itap of my cat",
    "a bad photo of the tench", "the origami crane in a video game", "PHOTO-REALISTIC 8K UHD",
    "newest newer lowest lower wider", "\\n \\u00e9 \"quoted\" 'single'"]

POOLS = [range(32, 127), range(32, 0x250), [ord(c) for c in "'stremvld <|>&;_01\u017f\u00e9\u0301\u200d\x1c\u00a0"],
         range(0x1F600, 0x1F640), range(0x3041, 0x3090), range(0x4E00, 0x9FA0), range(0x410, 0x450),
         range(0x621, 0x64B)]   # all assigned long ago, so that every Python knows them


def random_strings(seed: int, n: int) -> list[str]:
    r = random.Random(seed)

    def string() -> str:
        return "".join(chr(r.choice(pool)) for pool in r.choices(POOLS, k=r.randint(1, 5)) for _ in range(r.randint(1, 5)))

    return [string() for _ in range(n)]


class Noting(dict):
    """The original's table of ranks, which notes what was found in it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.found = set()

    def get(self, pair, default=None):
        if pair in self:
            self.found.add(pair)
        return super().get(pair, default)


def original(vocabulary: pathlib.Path):
    """OpenAI's SimpleTokenizer, from the file beside the vocabulary."""
    ftfy = types.ModuleType("ftfy")
    ftfy.fix_text = lambda text: text
    sys.modules["ftfy"] = ftfy
    spec = importlib.util.spec_from_file_location("simple_tokenizer", vocabulary.with_name("simple_tokenizer.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer(str(vocabulary))


if __name__ == "__main__":
    tokenizer = original(pathlib.Path(sys.argv[1]))
    tokenizer.bpe_ranks = ranks = Noting(tokenizer.bpe_ranks)
    cases = []
    for text in [*STRINGS, *random_strings(0, 60)]:
        ids = tokenizer.encode(text)
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    merges = [[ranks[pair], " ".join(pair)] for pair in sorted(ranks.found, key=ranks.__getitem__)]
    path = pathlib.Path(__file__).with_name("clip_tokens.json")
    rows = [",\n".join(map(json.dumps, part)) for part in (cases, merges)]
    path.write_text(f'{{"cases": [\n{rows[0]}\n],\n"merges": [\n{rows[1]}\n]}}\n')
    print(f"{len(cases)} strings, {len(merges)} merges, {path.stat().st_size / 1024:.0f} KiB")
