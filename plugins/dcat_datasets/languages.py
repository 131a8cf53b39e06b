"""Languages that datasets are in: codes of ISO 639 by name, code, tag or IRI."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = """
aa aar Afar; ab abk Abkhazian; af afr Afrikaans; am amh Amharic; an arg Aragonese;
ar ara Arabic; as asm Assamese; az aze Azerbaijani; ba bak Bashkir; be bel Belarusian;
bg bul Bulgarian; bn ben Bengali, Bangla; bo bod tib Tibetan; br bre Breton; bs bos Bosnian;
ca cat Catalan, Valencian; ce che Chechen; co cos Corsican; cs ces cze Czech; cv chv Chuvash;
cy cym wel Welsh; da dan Danish; de deu ger German, Deutsch; dv div Dhivehi; dz dzo Dzongkha;
ee ewe Ewe; el ell gre Greek, Modern Greek; en eng English; eo epo Esperanto;
es spa Spanish, Castilian, Español; et est Estonian; eu eus baq Basque; fa fas per Persian, Farsi;
ff ful Fulah; fi fin Finnish, Suomi; fj fij Fijian; fo fao Faroese; fr fra fre French, Français;
fy fry Western Frisian, Frisian; ga gle Irish; gd gla Scottish Gaelic; gl glg Galician;
gn grn Guarani; gu guj Gujarati; ha hau Hausa; he heb Hebrew; hi hin Hindi; hr hrv Croatian;
ht hat Haitian Creole, Haitian; hu hun Hungarian; hy hye arm Armenian; ia ina Interlingua;
id ind Indonesian; ig ibo Igbo; is isl ice Icelandic; it ita Italian, Italiano; iu iku Inuktitut;
ja jpn Japanese; jv jav Javanese; ka kat geo Georgian; ki kik Kikuyu; kk kaz Kazakh;
kl kal Greenlandic, Kalaallisut; km khm Khmer; kn kan Kannada; ko kor Korean; ku kur Kurdish;
ky kir Kyrgyz; la lat Latin; lb ltz Luxembourgish; lg lug Ganda; ln lin Lingala; lo lao Lao;
lt lit Lithuanian; lv lav Latvian; mg mlg Malagasy; mi mri mao Maori, Māori;
mk mkd mac Macedonian; ml mal Malayalam; mn mon Mongolian; mr mar Marathi; ms msa may Malay;
mt mlt Maltese; my mya bur Burmese; nb nob Bokmål, Norwegian Bokmål; ne nep Nepali;
nl nld dut Dutch, Flemish, Nederlands; nn nno Nynorsk, Norwegian Nynorsk; no nor Norwegian;
ny nya Nyanja, Chichewa; oc oci Occitan; om orm Oromo; or ori Odia, Oriya; os oss Ossetian;
pa pan Punjabi, Panjabi; pl pol Polish, Polski; ps pus Pashto; pt por Portuguese, Português;
qu que Quechua; rm roh Romansh; rn run Rundi; ro ron rum Romanian; ru rus Russian;
rw kin Kinyarwanda; sa san Sanskrit; sc srd Sardinian; sd snd Sindhi; se sme Northern Sami;
sg sag Sango; si sin Sinhala; sk slk slo Slovak; sl slv Slovenian, Slovene; sm smo Samoan;
sn sna Shona; so som Somali; sq sqi alb Albanian; sr srp Serbian; ss ssw Swati;
st sot Southern Sotho, Sotho; su sun Sundanese; sv swe Swedish, Svenska; sw swa Swahili;
ta tam Tamil; te tel Telugu; tg tgk Tajik; th tha Thai; ti tir Tigrinya; tk tuk Turkmen;
tl tgl Tagalog, Filipino; tn tsn Tswana; to ton Tongan; tr tur Turkish; ts tso Tsonga;
tt tat Tatar; ug uig Uyghur, Uighur; uk ukr Ukrainian; ur urd Urdu; uz uzb Uzbek;
ve ven Venda; vi vie Vietnamese; wo wol Wolof; xh xho Xhosa; yi yid Yiddish; yo yor Yoruba;
zh zho chi Chinese, Mandarin; zu zul Zulu
"""
"""Code of ISO 639-1; those of ISO 639-2 (of its terms, of bibliographies); names, ours first."""

_CODES: dict[str, str] = {}
_ENGLISH: dict[str, str] = {}
for _entry in _NAMES.replace("\n", " ").split(";"):
    _found = re.match(r"\s*([a-z]{2})((?: [a-z]{3})+) (.*\S)", _entry)
    assert _found is not None, _entry
    _names = [_name.strip() for _name in _found[3].split(",")]
    _ENGLISH[_found[1]] = _names[0]
    _CODES |= {name.casefold(): _found[1] for name in (_found[1], *_found[2].split(), *_names)}

_IRI = re.compile(r"(?i)\b(?:https?|urn|info):[^\s,;<>\"]+")
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})+")
_SCRIPTS = re.compile(r"\s*\([^()]*\)\s*\Z")


def codes(text: str) -> Iterator[tuple[str, str]]:
    """Yield (code, name) of each language in a text; the code is "" if the name is unknown.

    A language is an English name, a code of ISO 639, a tag with a region or a script, or an IRI
    that ends with a code or a tag.

    >>> list(codes("English, en_GB and Klingon"))
    [('en', 'English'), ('en', 'en_GB'), ('', 'Klingon')]
    >>> list(codes("http://publications.europa.eu/resource/authority/language/DEU"))
    [('de', 'http://publications.europa.eu/resource/authority/language/DEU')]
    """
    at = 0
    for iri in _IRI.finditer(text):
        yield from _named(text[at : iri.start()])
        address = iri[0].rstrip(".)]")
        last = re.split(r"[/#:]", address.rstrip("/"))[-1]
        yield _code(last), address
        at = iri.end()
    yield from _named(text[at:])


def english_name(given: str) -> str:
    """Return the English name of a language given by name, code, tag or IRI; else what is given."""
    code = next(iter(codes(given)), ("", ""))[0]
    return _ENGLISH.get(code, given)


def _named(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"[,;/&|]|\band\b", text):
        if name := part.strip(" \t\r\n<>"):
            yield _code(name), name


def _code(name: str) -> str:
    """Return the code of ISO 639-1 for one name, code or tag; "" if it is unknown."""
    plain = _SCRIPTS.sub("", name).strip()
    tag = _TAG.fullmatch(plain)
    known = _CODES.get(plain.casefold(), "")
    return known or (_CODES.get(tag[1].casefold(), "") if tag else "")
