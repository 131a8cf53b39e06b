"""ISO 639-1 codes of the languages that datasets are in, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = """
af Afrikaans; am Amharic; ar Arabic; az Azerbaijani; be Belarusian; bg Bulgarian; bn Bengali;
bo Tibetan; bs Bosnian; ca Catalan; cs Czech; cy Welsh; da Danish; de German; el Greek; en English;
eo Esperanto; es Spanish; et Estonian; eu Basque; fa Persian, Farsi; fi Finnish; fr French;
ga Irish; gl Galician; gu Gujarati; ha Hausa; he Hebrew; hi Hindi; hr Croatian; hu Hungarian;
hy Armenian; id Indonesian; ig Igbo; is Icelandic; it Italian; ja Japanese; ka Georgian; kk Kazakh;
km Khmer; kn Kannada; ko Korean; ky Kyrgyz; la Latin; lb Luxembourgish; lo Lao; lt Lithuanian;
lv Latvian; mk Macedonian; ml Malayalam; mn Mongolian; mr Marathi; ms Malay; mt Maltese; my Burmese;
nb Bokmål; ne Nepali; nl Dutch; nn Nynorsk; no Norwegian; or Odia, Oriya; pa Punjabi; pl Polish;
ps Pashto; pt Portuguese; ro Romanian; ru Russian; rw Kinyarwanda; sa Sanskrit; sd Sindhi;
si Sinhala; sk Slovak; sl Slovenian, Slovene; so Somali; sq Albanian; sr Serbian; sv Swedish;
sw Swahili; ta Tamil; te Telugu; th Thai; tl Tagalog, Filipino; tr Turkish; ug Uyghur; uk Ukrainian;
ur Urdu; uz Uzbek; vi Vietnamese; wo Wolof; xh Xhosa; yi Yiddish; yo Yoruba; zh Chinese, Mandarin;
zu Zulu
"""

_CODES: dict[str, str] = {}
for _entry in _NAMES.replace("\n", " ").split(";"):
    _code, _, _named = _entry.strip().partition(" ")
    _CODES |= {name.strip().casefold(): _code for name in (_code, *_named.split(","))}


def codes(text: str) -> Iterator[tuple[str, str]]:
    """Yield (code, name) of each language in a text; the code is "" if the name is unknown.

    >>> list(codes("English, en and Klingon"))
    [('en', 'English'), ('en', 'en'), ('', 'Klingon')]
    """
    for part in re.split(r"[,;/&]|\band\b", text):
        if name := part.strip():
            yield _CODES.get(name.casefold(), ""), name
