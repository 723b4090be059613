#!/usr/bin/env python3
"""Writes the documents that codecs are measured with: small.json (60 bytes), medium.json (10 KiB), large.json (1 MiB).

Usage: bench/documents.py FOLDER

They look like what services pass around: records with numbers of all kinds, short strings, a note with accents and
escapes, nested objects. The same bytes come out everywhere and always, for the numbers come from a generator of our own.
"""
import json
import os
import sys

SMALL = {"op": "get", "key": "user:00012345", "seq": 12345678, "ttl": 30.5}
ASCII_WORDS = 20
WORDS = (
    "gateway node cluster erlang supervisor worker mailbox monitor link process "
    "scheduler reduction binary atom tuple port driver socket packet frame "
    "réponse naïve über 日本 €42 tab\there quote\"d back\\slash line\nfeed"
).split(" ")


class Random:
    """A linear congruential generator of 64 bits (Knuth's MMIX)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def word(self):
        return WORDS[self.below(ASCII_WORDS)]

    def text(self, words):
        return " ".join(WORDS[self.below(len(WORDS))] for _ in range(words))


def record(random, number):
    return {
        "id": 1000000 + number,
        "uid": "user:%08x" % random.below(2**31),
        "name": random.word() + " " + random.word(),
        "active": random.below(2) == 1,
        "parent": None if random.below(3) == 0 else random.below(2**40),
        "score": random.below(1000000) / 1000.0,
        "delta": -random.below(30000),
        "pos": {
            "lat": random.below(18000000) / 100000.0 - 90.0,
            "lon": random.below(36000000) / 100000.0 - 180.0,
        },
        "tags": [random.word() for _ in range(1 + random.below(5))],
        "samples": [random.below(5000) - 1000 for _ in range(12)],
        "history": [
            {
                "ts": 1700000000 + random.below(10**7),
                "v": random.below(10**6) / 64.0,
                "ok": random.below(2) == 0,
            }
            for _ in range(2)
        ],
        "note": random.text(6 + random.below(10)),
    }


def encoded(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def document_of(target):
    """Records until the text has about target bytes."""
    random, items, size = Random(20250601), [], 40
    while size < target:
        items.append(record(random, len(items)))
        size += len(encoded(items[-1])) + 1
    return {"op": "put", "count": len(items), "items": items}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    documents = {"small": SMALL, "medium": document_of(10100), "large": document_of(1024 * 1024 - 300)}
    for name, document in documents.items():
        with open(os.path.join(folder, name + ".json"), "wb") as f:
            f.write(encoded(document))


if __name__ == "__main__":
    main()
