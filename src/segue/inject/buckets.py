"""The buckets of a group, and what a message makes of them (OpenFlow 1.5.1 section 7.3.4.3).

OpenFlow 1.5 gives each bucket a number by which it is inserted behind, or removed. Until 1.4 they have none, and here
get their place in the list. Whether a group may have such buckets is found out by `translate.group`, of all together.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from segue.inject.errors import Refusal
from segue.openflow import V15, Bucket, BucketId
from segue.openflow.protocol.groups import ALL_BUCKETS


def given(buckets: Sequence[Bucket], version: int) -> tuple[Bucket, ...]:
    """The buckets of a message, numbered. Refusal: a number that none can have, or twice the same."""
    if version >= V15:
        numbers = [bucket.bucket_id for bucket in buckets]
        if len(set(numbers)) < len(numbers) or max(numbers, default=0) > BucketId.MAX:
            raise Refusal("OFPGMFC_BAD_BUCKET", f"give each bucket a number of its own, {BucketId.MAX:#x} at most")
        return tuple(buckets)
    return tuple([msgspec.structs.replace(bucket, bucket_id=at) for at, bucket in enumerate(buckets)])


def insert(there: tuple[Bucket, ...], new: tuple[Bucket, ...], at: int) -> tuple[Bucket, ...]:
    """``new`` in front (FIRST), at the end (LAST), or behind the bucket of number ``at``."""
    if at == BucketId.FIRST:
        return new + there
    if at == BucketId.LAST:
        return there + new
    behind = _find(there, at) + 1
    return there[:behind] + new + there[behind:]


def remove(there: tuple[Bucket, ...], at: int) -> tuple[Bucket, ...]:
    """Without the first, the last, the one of number ``at``, or any."""
    if at == ALL_BUCKETS:
        return ()
    if at == BucketId.FIRST:
        return there[1:]
    if at == BucketId.LAST:
        return there[:-1]
    gone = _find(there, at)
    return there[:gone] + there[gone + 1 :]


def check_place(at: int, inserting: bool) -> None:
    """Refusal unless buckets can be inserted behind, or removed at, what is said."""
    if at > BucketId.MAX and at not in (BucketId.FIRST, BucketId.LAST) and (inserting or at != ALL_BUCKETS):
        every = "" if inserting else ", ALL"
        raise Refusal("OFPGMFC_BAD_BUCKET", f"command_bucket_id: say the number of a bucket, FIRST, LAST{every}")


def _find(there: tuple[Bucket, ...], number: int) -> int:
    for at, bucket in enumerate(there):
        if bucket.bucket_id == number:
            return at
    raise Refusal("OFPGMFC_UNKNOWN_BUCKET", f"the group has no bucket {number}")
