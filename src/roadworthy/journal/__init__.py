"""The journal: the append-only, signed, hash-chained record of everything done to one environment.

It is the state, the lock and the evidence at once (architecture §4), so these hold at every instant, also
after a kill -9, a lost race or a lost reply:

1.  Entry N is one object, `<target>/<environment>/NNNNNNNN.json`, written whole or not at all, once, and
    never changed. N starts at 1 and has no gaps.
2.  Entry N carries the sha256 of the bytes of entry N-1 (`prev`; 64 zeros for the first), so the head's
    digest stands for the whole log. Only a comparison with an anchor reveals that the tail was cut off.
3.  Entry N says which log it belongs to. One that was copied from another environment is refused there.
4.  Every entry is signed (Ed25519, DSSE) by a key that the trust policy lets sign that stage and action of
    that environment at that time. Nothing is read, and nothing followed, that does not verify.
5.  A `start` is written before its effect. While it is open it holds the environment: no second `start` is
    possible, on any machine. Its `seq` is the fencing token.
6.  `end`, `failed` and `abandon` name in `settles` the open start that they close; a writer whose start was
    taken over cannot settle anything any more. Nothing expires by the clock.
7.  What an entry attaches is in the store, by its sha256 under `evidence/`, before the entry is.
8.  An entry's bytes are canonical JSON (sorted keys, no white space, integers within 2^53, no floats), so
    two readers cannot see two meanings in one entry. Predicate fields that this version does not know are
    kept.

An entry is read without any code of ours. The envelope is JSON, and so is what it signs:

    $ jq -r .payload .release/journal/sandbox/prod/00000002.json | base64 -d | jq '.subject, .predicate'
    [ { "digest": { "sha256": "9f3c…" }, "name": "image:4b1d…" } ]
    {
      "action": "deploy",
      "actor": { "host": "build-7", "pid": 4711, "user": "ada", … },
      "at": "2026-11-20T18:30:00.123456Z",
      "environment": "prod",
      "evidence": [ { "name": "manifest.json", "sha256": "51ab…", "size": 412 } ],
      "kind": "end",
      "nonce": "0c8f…",
      "prev": "a04e…",
      "seq": 2,
      "settles": 1,
      "stage": "deploy",
      "target": "sandbox"
    }

`sha256sum 00000001.json` gives the `prev` of the second entry, `evidence/51ab…` is the file of that digest,
and `scripts/audit.sh .release/journal/sandbox/prod` checks all of it with sh, jq and openssl.
"""
