"""Numbers by digest, in little memory: for what is to be found again among millions."""

import hashlib

_BUCKETS = 4096
_DIGEST = 16
_NUMBER = 5
_SIZE = _DIGEST + _NUMBER


def digest_of(text: str) -> bytes:
    """128 bits of a text.

    To take two different texts for the same is less probable than that the machine errs.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


class Digests:
    """A number of at most 40 bits for each digest of 128 bits; 21 bytes for both."""

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, digest: bytes, number: int) -> int | None:
        """Notes the number of a digest, or returns the one that it has."""
        bucket = self._bucket(digest)
        found = _find(bucket, digest)
        if found is None:
            bucket += digest + number.to_bytes(_NUMBER)
        return found

    def put(self, digest: bytes, number: int) -> None:
        """Notes another number of a digest that is there."""
        bucket = self._bucket(digest)
        place = _place(bucket, digest) + _DIGEST
        bucket[place : place + _NUMBER] = number.to_bytes(_NUMBER)

    def get(self, digest: bytes) -> int | None:
        """The number of a digest."""
        return _find(self._bucket(digest), digest)

    def _bucket(self, digest: bytes) -> bytearray:
        return self._buckets[(digest[0] << 4 | digest[1] >> 4)]


def _place(bucket: bytearray, digest: bytes) -> int:
    place = bucket.find(digest)
    while place >= 0 and place % _SIZE:  # within one and the next
        place = bucket.find(digest, place + 1)
    return place


def _find(bucket: bytearray, digest: bytes) -> int | None:
    place = _place(bucket, digest)
    if place < 0:
        return None
    return int.from_bytes(bucket[place + _DIGEST : place + _SIZE])
