r"""Keys and values as a person sees and types them: text in which nothing is obeyed, hidden or lost. Pure.

A key may hold any bytes. One that is plain text is spelled as it is; in any other, what is no text or would not be seen
becomes an escape (`\n`, `\x1b`, `\u202e`) and `\` becomes `\\`. So no two keys are spelled alike, and what was shown
can be typed.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

# Control, format (bidi, zero-width, tags), surrogate, private, unassigned, line and paragraph separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_ESCAPE = re.compile(r"\\(?:([nrt\\])|x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5}|0010[0-9a-f]{4}))")
_NOT_PLAIN = re.compile(r"[^\x20-\x5b\x5d-\x7e]")
_SHORT = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_SHORTENED = {character: f"\\{letter}" for letter, character in _SHORT.items()}


def is_unsafe(character: str) -> bool:
    """Whether a terminal might obey, hide or reorder because of the character instead of showing it."""
    return unicodedata.category(character) in _UNSAFE


def spelled(raw: bytes, limit: int | None = None) -> str:
    """Bytes as they are shown. With a `limit`, no more than that many characters, the last of them `…`."""
    short = raw if limit is None or len(raw) <= 4 * limit else _whole(raw[: 4 * limit])
    text = short.decode(errors="surrogateescape")
    if any(map(_is_odd, _NOT_PLAIN.findall(text))) or _ESCAPE.search(text):
        text = _NOT_PLAIN.sub(lambda match: _visible(match[0]), text)
    return text if limit is None or (short is raw and len(text) <= limit) else text[: limit - 1] + "…"


def meant(text: str) -> bytes:
    """The bytes that are spelled so; what is no escape stands for itself."""
    parts = _ESCAPE.split(text)
    raw = [parts[0].encode(errors="surrogateescape")]
    for at in range(1, len(parts), 5):
        letter, byte, *points, plain = parts[at : at + 5]
        point = next(filter(None, points), None)
        if letter:
            raw.append(_SHORT[letter].encode())
        elif byte:
            raw.append(bytes.fromhex(byte))
        elif point:
            raw.append(chr(int(point, 16)).encode(errors="surrogatepass"))
        raw.append(plain.encode(errors="surrogateescape"))
    return b"".join(raw)


def _whole(raw: bytes) -> bytes:
    """The bytes without the beginning of a character at their end that was cut in two."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    decoder.decode(raw)
    rest = decoder.getstate()[0]
    return raw[: len(raw) - len(rest)]


def _is_odd(character: str) -> bool:
    return character != "\\" and is_unsafe(character)


def _visible(character: str) -> str:
    code = ord(character)
    if character in _SHORTENED:
        return _SHORTENED[character]
    if not is_unsafe(character):
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
