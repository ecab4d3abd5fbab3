"""Which setting would read a text that is no number yet. Pure.

Whoever follows a suggestion must not get a wrong number by it. So there is none where a text can be read in two ways,
or only against what is configured, and where what stands beside the digits may change the number, as a dash or `k`
does.
"""

from __future__ import annotations

import json
import re
import unicodedata

import msgspec

from countercache.compute.text_numbers import PLAIN, SPACES, read
from countercache.model.redaction import quoted
from countercache.settings import Numbers

_LONGEST = 40
_LONGEST_NULL = 20

_PLACEHOLDERS = {
    "",
    "-",
    "--",
    "---",
    "\N{EN DASH}",
    "\N{EM DASH}",
    ".",
    "..",
    "...",
    "…",
    "*",
    "**",
    ":",
    "?",
    "#",
    "/",
}
"""What stands for no value without a letter. (Other signs may be the rest of a number.)"""

_CURRENCIES = frozenset(
    re.findall(
        "[A-Z]{3}",
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
        "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD "
        "HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD "
        "LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK "
        "PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT "
        "TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG",
    )
)
"""ISO 4217. A list, for not all of three capitals are a currency: MIO and TSD multiply."""

_SPACE_MARKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_CORE = rf"[0-9](?:[0-9.,'\N{{RIGHT SINGLE QUOTATION MARK}}{_SPACE_MARKS}]*[0-9])?"

_LOOK_ALIKES = "\u2212\u2018\u2019\u201a\u02bc\u00b4\u066b\u066c\u2024"
"""A minus sign, apostrophes and commas that are not those of a keyboard. Dashes, digits and spaces are told by kind."""


def suggestion(text: str, numbers: Numbers = PLAIN) -> Numbers | None:
    """A spelling by which a text is a number, or without any digit no value; `None` where that is not certain."""
    text = text.strip(SPACES)
    if len(text) > _LONGEST or read(text, numbers) is not None:
        return None
    if not any(map(str.isnumeric, text)):
        return msgspec.structs.replace(numbers, null=(*numbers.null, text)) if _is_null(text, numbers) else None
    parts = _parts(text, numbers)
    if parts is None or _is_doubtful(parts["core"], numbers):
        return None
    marks = _marks(parts["core"], numbers)
    if marks is None:
        return None
    likely = msgspec.structs.replace(
        numbers,
        thousands=marks[0],
        decimal=marks[1],
        prefix=parts["prefix"] or numbers.prefix,
        suffix=parts["suffix"] or numbers.suffix,
        negative="parentheses" if parts["open"] else numbers.negative,
    )
    return likely if read(text, likely) is not None else None


def is_doubtful(text: str, numbers: Numbers = PLAIN) -> bool:
    """Whether a text is a number with one comma, of which nothing tells whether it is between groups of digits."""
    parts = _parts(text.strip(SPACES), numbers)
    return parts is not None and "," in parts["core"] and _is_doubtful(parts["core"], numbers)


def written(numbers: Numbers) -> str:
    """A spelling as it would be written in the file: `{ thousands = "," }`."""
    values = {name: getattr(numbers, name) for name in Numbers.__struct_fields__}
    given = {name: value for name, value in values.items() if value != getattr(PLAIN, name)}
    # JSON's texts and lists of texts are TOML's too.
    keys = (f"{name} = {unmistakable(quoted(value))}" for name, value in given.items())
    return f"{{ {', '.join(keys)} }}"


def unmistakable(text: str) -> str:
    """A text in quotes, with escapes in place of what looks like another character, such as a full-width digit."""
    return "".join(json.dumps(character)[1:-1] if _looks_like_another(character) else character for character in text)


def _looks_like_another(character: str) -> bool:
    if character.isascii():
        return False
    like = unicodedata.category(character) in {"Pd", "Nd", "Zs"} or character in _LOOK_ALIKES
    return like or (unicodedata.normalize("NFKC", character).isascii() and not character.isalpha())


def _is_null(text: str, numbers: Numbers) -> bool:
    """Whether a text without digits says that there is no value; `£`, `<` and `∞` do not."""
    if text in numbers.null or len(text) > _LONGEST_NULL or text in _CURRENCIES:
        return False
    kinds = {unicodedata.category(character) for character in text}
    has_letters = any(kind.startswith("L") for kind in kinds) and "inf" not in text.lower()
    return (
        text in _PLACEHOLDERS or not text.strip() or (has_letters and kinds.isdisjoint({"Sc", "So", "Cc", "Cf", "Cn"}))
    )


def _parts(text: str, numbers: Numbers) -> dict[str, str] | None:
    """What stands before and after the digits, if that is what is configured, or a currency where nothing is."""
    prefix = f"(?:{re.escape(numbers.prefix)})?" if numbers.prefix else r"[^0-9\s()+.,'-]*"
    suffix = f"(?:{re.escape(numbers.suffix)})?" if numbers.suffix else r"[^0-9\s()+.,'-]*"
    match = re.fullmatch(
        rf"(?P<open>\()?[+-]?(?P<prefix>{prefix})[ \t]*[+-]?(?P<core>{_CORE})[ \t]*(?P<suffix>{suffix})(?P<close>\))?",
        text,
    )
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    parts = match.groupdict("")
    allowed = {"", numbers.prefix}, {"", numbers.suffix}
    known = all(_is_unit(parts[name]) or parts[name] in allowed[i] for i, name in enumerate(("prefix", "suffix")))
    return parts if known else None


def _is_unit(affix: str) -> bool:
    return affix == "%" or affix in _CURRENCIES or (len(affix) == 1 and unicodedata.category(affix) == "Sc")


def _is_configured(numbers: Numbers) -> bool:
    return numbers.thousands is not None or numbers.decimal != PLAIN.decimal


def _is_doubtful(core: str, numbers: Numbers) -> bool:
    """Whether the only comma or point may be between groups of digits as well as before decimals."""
    marks = re.findall("[^0-9]", core)
    if len(marks) != 1 or marks[0] not in ".," or _is_configured(numbers):
        return False
    whole, decimals = core.split(marks[0])
    # `12,50` may be a slip in a number with groups.
    is_decimal = whole == "0" or (len(decimals) != 3 and (marks[0] == "." or len(whole) > 3))
    return not is_decimal


def _marks(core: str, numbers: Numbers) -> tuple[str | None, str] | None:
    """`thousands` and `decimal` by what stands between the digits; `None` where they are configured otherwise."""
    thousands, decimal = numbers.thousands, numbers.decimal
    marks = re.findall("[^0-9]", core)
    kinds = list(dict.fromkeys(marks))
    if not marks or (len(marks) == 1 and marks[0] in (thousands, decimal)):
        return thousands, decimal
    if len(marks) == 1 and marks[0] in ".,":
        return None if _is_configured(numbers) else (None, marks[0])
    if thousands not in (None, marks[0]):
        return None
    if len(kinds) == 1:
        # A point between groups leaves the comma for the decimals.
        return (
            (marks[0], "," if marks[0] == PLAIN.decimal else decimal) if marks[0] != decimal or decimal == "." else None
        )
    if len(kinds) != 2 or marks.count(kinds[1]) != 1 or kinds[1] not in ".,":
        return None
    return None if kinds[1] != decimal and _is_configured(numbers) else (kinds[0], kinds[1])
