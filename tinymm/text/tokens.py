"""tokenize: a caption's words as the COCO caption evaluation counts them.

The evaluation server cuts captions with Stanford's Penn Treebank tokenizer, in lower case, and then leaves out
punctuation. Scores are comparable only between captions cut the same way. Here are its rules for what people write in
captions, as one regular expression. Left out are rare ones: telephone numbers, HTML, "1 1/2" as one token.
"""

from __future__ import annotations

import re

# Left out by the evaluation, and dots and dashes of any length. Its list has brackets, too, but as "-LRB-", which a tokenizer
# that writes "-lrb-" never gives: brackets stay, as do "??" and "'s".
PUNCTUATION = frozenset("'`\".?!,:;-")

# The Treebank's names for characters, and plain characters for typographic ones.
_TYPOGRAPHY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": " - ", "\u2014": " - ",
                             "\u2026": " ", "\u00bd": " 1/2 ", "\u00bc": " 1/4 ", "\u00be": " 3/4 ", "\u20ac": " $ ",
                             "\u00a3": " # ", "\u00a2": " cents ", "\u200b": " ", "\u200d": " ", "\ufe0f": " "})
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})

_ABBREVIATIONS = ("mr mrs ms messrs dr prof rev hon gov sen rep reps pres treas gen col capt cmdr comdr cpl lt pvt sgt spc maj adm "
                  "supt insp det atty esq ph.d jr sr bros inc ltd plc co corp mfg assn assoc intl natl univ dept bldg "
                  "st ste ave blvd rd sq ct ft mt est etc vs al ext tel jan feb mar apr jun jul aug sep sept oct nov dec "
                  "mon tue tues wed thu thurs fri ala ariz calif colo conn fla ga ind kan ky md mich minn mo mont neb nev okla "
                  "penn tenn va vt wis wyo").split()

_TOKEN = re.compile(rf"""
      can(?=not\b) | (?:gon|wan)(?=na\b) | got(?=ta\b) | (?:lem|gim)(?=me\b) | y'(?=all\b)
    | [^\W\d_]+(?!\S)                                   # most words; the rest is about what touches something else
    | https?://[^\s"<>]*[^\s"<>.,!?;:)']                # addresses
    | [\w.+-]{{1,64}}@[\w-]+(?:\.\w+)*
    | [#@][^\W\d_]\w*                                   # tags and handles
    | '(?:\d0s\b|\d\d(?!\S))                            # '90s, the '06 car
    | 'n' | '(?:em|till?|cause|n)(?![\w.])              # rock 'n' roll
    | 't(?=(?:is|was)\b)                                # 'tis: 't is
    | '(?:s|m|d|re|ve|ll)\b                             # what is split off: dog 's, they 'll
    | n't\b
    | dunkin' | ol' | (?:ma'am|cap'n|hallowe'en)\b
    | [a-hj-xz]'[^\W\d_]{{2,}}                          # o'clock, s'mores
    | (?-i:[A-Z]+&[A-Z]+)                               # AT&T, but not r&b
    | (?:[^\W\d_]\.)+(?![^\W\d_])(?:-\w+)*              # initials: a.m., u.s.-based
    | (?:{"|".join(map(re.escape, _ABBREVIATIONS))})\.(?![^\W\d_])
    | no\.(?=\s?\d)
    | [^\W\d_]+\.(?=[,;:])                              # a dot before a comma ends an abbreviation
    | (?:[^\W_]+[-/])*[^\W_]+?(?=n't\b)                 # what n't is split from: do n't, ca n't
    | [^\W\d_]+(?:[.!?][^\W\d_]+)+(?:-[^\W\d_]+)*       # a space forgotten after a sentence, or a name with a dot
    | [-+]?\d*(?:[.,:]\d+)+(?:-[^\W_]+(?![^\W_]|[.,:]\d))*   # 5:30, 1,000-foot
    | [-+]\d+(?!\d)
    | [^\W_]+(?:[-/_][^\W_]+)*                          # words, hyphenated ones and a/b whole
    | [:;=]-?[()]                                       # smileys
    | \*+ | _+ | [?!]+ | \.+ | -+
    | \S
    """, re.VERBOSE | re.IGNORECASE)


def tokenize(sentence: str) -> list[str]:
    """The tokens of a caption, lower case, without punctuation.

    >>> tokenize("It's a T-shirt, isn't it?")
    ['it', "'s", 'a', 't-shirt', 'is', "n't", 'it']

    Args:
        sentence: a caption as a person wrote it.

    Returns:
        Tokens as coco-caption's PTBTokenizer gives them.

    Raises:
        TypeError: not a string (a list of tokens needs no ``tokenize``).
    """
    if not isinstance(sentence, str):
        raise TypeError(f"tokenize: sentence must be a string, not a {type(sentence).__name__}")
    found = (match.lower() for match in _TOKEN.findall(sentence.replace("&amp;", "&").translate(_TYPOGRAPHY)))
    return [token.translate(_BRACKETS) for token in found if not _left_out(token)]


def plain_words(sentence: str) -> list[str]:
    """The words of a caption as Karpathy & Fei-Fei (2015) count them: lower case, and of each only letters and digits.

    >>> plain_words("A man's T-shirt , no. 12 .")
    ['a', 'mans', 'tshirt', 'no', '12']

    Args:
        sentence: a caption.

    Returns:
        What blanks separate, without other characters; what has no letter or digit is left out.
    """
    return [word for piece in sentence.lower().split()
            if (word := piece if piece.isalnum() else "".join(filter(str.isalnum, piece)))]


def _left_out(token: str) -> bool:
    """Punctuation, and characters beyond 16 bits (emoji), which the original cannot read."""
    return token in PUNCTUATION or not token.strip(".") or not token.strip("-") or token > "\uffff"
