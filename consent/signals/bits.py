"""The bit strings of IAB's consent formats: web-safe base64 without padding, six bits a character, big-endian.

A segment becomes bytes, and a field is read from the few bytes that hold it. One integer for the whole segment would
be shifted whole for every field: quadratic, where a hostile string announces thousands of fields.
"""

from binascii import a2b_base64
from typing import Final

from consent.signals.refusal import Refusal, Refuse

_WEB_SAFE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_CHARACTER_BITS: Final = 6


class Bits:
    """Reads fields from the left. Raises Refuse: `empty`, `bad_alphabet`, `truncated`, `trailing_data`."""

    __slots__ = ("_at", "_raw", "_size")

    def __init__(self, text: str) -> None:
        """`text` is one segment, without dots. Any number of characters is fine: encoders pad differently."""
        if not text:
            raise Refuse(Refusal.EMPTY)
        encoded = text.encode("utf-8", "replace")
        if encoded.translate(None, _WEB_SAFE):
            raise Refuse(Refusal.BAD_ALPHABET)
        self._size = len(encoded) * _CHARACTER_BITS  # not that of the bytes, which end in the padding added here
        self._raw = a2b_base64((encoded + b"A" * (-len(encoded) % 4)).translate(_TO_STANDARD))
        self._at = 0

    @property
    def left(self) -> int:
        """Bits not read yet, padding included."""
        return self._size - self._at

    def read(self, width: int) -> int:
        """The next `width` bits as a number. What lies past the end is not read as anything, least of all as yes."""
        start = self._at
        end = self._at = start + width
        if end > self._size:
            raise Refuse(Refusal.TRUNCATED)
        last = (end + 7) >> 3
        return (int.from_bytes(self._raw[start >> 3 : last]) >> ((last << 3) - end)) & ((1 << width) - 1)

    def end(self) -> None:
        """What follows may only be zero padding."""
        if self.read(self.left):
            raise Refuse(Refusal.TRAILING_DATA)
