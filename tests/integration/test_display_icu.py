"""Values as they are shown, beside what ICU shows: the library that browsers, Node and Java format numbers with."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from countercache.run.value_formatting import display
from countercache.settings import Format
from tests import debian

_LOCALES = """
ar_EG bg_BG bn_BD cs_CZ da_DK de_AT de_CH de_DE el_GR en_GB en_IN en_US es_ES es_MX et_EE eu_ES fa_IR fi_FI fr_CA fr_CH
fr_FR he_IL hi_IN hu_HU id_ID it_IT ja_JP ko_KR nb_NO nl_NL pl_PL pt_BR pt_PT ro_RO ru_RU sv_SE sw_KE ta_IN th_TH tr_TR
uk_UA vi_VN zh_CN zh_TW
"""
STYLES = (
    Format(),
    Format(precision=0),
    Format(precision=2),
    Format(percent=True),
    Format(percent=True, precision=1),
    Format(notation="compact"),
    Format(notation="compact", precision=0),
    Format(notation="compact", precision=1),
    Format(currency="GBP"),
    Format(currency="EUR", precision=0),
    Format(currency="JPY"),
    Format(currency="KWD"),
    Format(currency="INR", notation="compact", precision=1),
    Format(currency="KWD", notation="compact"),
)
# At most 15 digits, which a float holds; none that is rounded to -0, which ICU shows.
_VALUES = """
0 0.125 0.25 0.5 0.994 0.9965 1 1.5 2.5 -2.5 9.95 12.34 -99.95 999.5 999.94 1000 1234 1234.5 -1234.56 9999.5 12345.67
99999 123454.999949995 -999949 999950 999999 1000000 1449999.99999999 1234567.891 15200000 -105000000 144999999.999999
999999999 1000000000 105000000000 126848813000 1234567890123 -999999999999 1050000000000000
"""
LOCALES, VALUES = _LOCALES.split(), _VALUES.split()
SCRIPT = """
const {locales, styles, values} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const shown = locales.map(locale => styles.map(style => {
  const format = new Intl.NumberFormat(locale + "-u-nu-latn", style);
  return values.map(value => format.format(value));
}));
console.log(JSON.stringify({icu: parseInt(process.versions.icu), shown}));
"""

CLDR_48 = "CLDR 48 has it otherwise than CLDR 47, which Babel has"
NO_MINIMUM = "Babel lacks CLDR's minimumGroupingDigits: four digits are grouped in these languages too"
GLUED = "CLDR has patterns for compact currencies, with faults ('£ elfu1.2'); here they are made of the other patterns"
# What may differ: where, what of it (`grouping`: nothing but the separators of groups), before which ICU, and why.
ACCEPTED = (
    ("bg es et hu it pl pt_PT", "grouping", None, NO_MINIMUM),
    ("de_AT de_CH fr_CH", "grouping", None, CLDR_48),
    ("bn en_GB en_IN it", "compact", None, CLDR_48),
    ("de_AT de_CH", "compact currency", None, GLUED),
    (_LOCALES, "compact currency", 78, GLUED),
)


def test_values_are_shown_as_icu_shows_them() -> None:
    """In 44 locales, in each style, up to quadrillions; each difference is one that is known, with its reason."""
    answer = ask_icu()
    unknown = []
    compared = 0
    for locale, of_locale in zip(LOCALES, answer["shown"], strict=True):
        for style, shown in zip(STYLES, of_locale, strict=True):
            styled = msgspec.structs.replace(style, locale=locale)
            ours = [display(Decimal(value), styled) for value in VALUES]
            compared += len(ours)
            unknown += [
                (locale, style, *each)
                for each in zip(VALUES, ours, shown, strict=True)
                if each[1] != each[2] and not any(reasons(styled, each[1], each[2], answer["icu"]))
            ]
    assert compared >= 6751
    assert unknown == []


def reasons(style: Format, ours: str, icu: str, version: int) -> Iterator[str]:
    """Why ICU of this version may show it differently."""
    compact = style.notation == "compact"
    kinds = {"grouping": ungrouped(ours) == ungrouped(icu), "compact": compact}
    kinds["compact currency"] = compact and style.currency is not None
    for locales, kind, before, reason in ACCEPTED:
        if (
            {style.locale, style.locale[:2]} & set(locales.split())
            and kinds[kind]
            and version < (before or version + 1)
        ):
            yield reason


def ungrouped(text: str) -> str:
    """Without what stands between groups of three digits."""
    return re.sub(
        r"(?<=\d)[.,'\N{RIGHT SINGLE QUOTATION MARK}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}](?=\d{3}(?!\d))",
        "",
        text,
    )


def ask_icu() -> dict[str, Any]:
    """ICU's version, and what it shows: by locale, style and value."""
    asked = {
        "locales": [locale.replace("_", "-") for locale in LOCALES],
        "styles": [options(style) for style in STYLES],
        "values": VALUES,
    }
    node = debian.program("node", "nodejs")
    done = subprocess.run(
        [node, "-e", SCRIPT], input=json.dumps(asked), check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def options(style: Format) -> dict[str, Any]:
    """The style for `Intl.NumberFormat`, with our own decimals where its own differ: at most six, or one if compact."""
    chosen: dict[str, Any] = {"notation": style.notation}
    if style.percent:
        chosen["style"] = "percent"
    if style.currency:
        chosen |= {"style": "currency", "currency": style.currency}
    if style.precision is not None:
        chosen |= {"minimumFractionDigits": style.precision, "maximumFractionDigits": style.precision}
    elif style.notation == "compact":
        chosen |= {"minimumFractionDigits": 0, "maximumFractionDigits": 1}
    elif not style.currency:
        chosen["maximumFractionDigits"] = 6
    return chosen
