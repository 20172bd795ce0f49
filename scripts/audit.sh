#!/bin/sh
# Audits one log of the journal without the code that wrote it: sh, coreutils, jq 1.6 and openssl 3, no Python.
#
#   scripts/audit.sh DIR [--trust TRUSTDIR]
#
# DIR is <root>/<target>/<environment>, such as .release/journal/live/prod; evidence is in <root>/evidence.
# TRUSTDIR holds the public keys (*.pub) and trust.toml; by default `trust` beside <root>.
#
# exit 0  audit: N entries, head SEQ SHA256       compare the head with its anchor: only that shows a cut tail
# exit 1  audit: FILE: CODE: why                  the first bad entry
# exit 2  wrong usage, or a tool is missing
#
# trust.toml is read line by line, so it may hold one key and value per line and no backslashes; anything
# else is refused, never skipped. The questions, their order and the codes are those of journal/audit.py.

# shellcheck disable=SC2015 # A && B || bad: what follows || ends the script, so it may stand for both
set -eu
LC_ALL=C
CDPATH=''
export LC_ALL
umask 077

usage() {
    printf 'audit: %s\nusage: audit.sh DIR [--trust TRUSTDIR]\n' "$1" >&2
    exit 2
}

bad() { # FILE CODE WHY
    printf 'audit: %s: %s: %s\n' "$1" "$2" "$3" >&2
    exit 1
}

dir='' trust=''
while [ $# -gt 0 ]; do
    case $1 in
    --trust)
        [ $# -ge 2 ] || usage '--trust needs a folder'
        trust=$2
        shift
        ;;
    -*) usage "unknown option $1" ;;
    *)
        [ -z "$dir" ] || usage 'one folder at a time'
        dir=$1
        ;;
    esac
    shift
done
[ -n "$dir" ] || usage 'which folder?'
for tool in jq openssl base64 mktemp od paste sha256sum; do
    command -v "$tool" >/dev/null || usage "$tool is not installed"
done
[ -d "$dir" ] || usage "$dir is not a folder"
dir=$(cd "$dir" && pwd) || usage "$dir cannot be entered"
environment=${dir##*/}
parent=${dir%/*}
target=${parent##*/}
root=${parent%/*}
: "${trust:=${root%/*}/trust}"
[ -d "$trust" ] || usage "the trust folder $trust is not a folder"
[ ! -h "$dir" ] && [ ! -h "$parent" ] || bad "$environment" folder 'it is a link to another folder'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the programs that judge JSON -----------------------------------------------------------------------

# Reads lines "NAME SHA256 BYTES|ENVELOPE" and judges each in turn, from --argjson state {seq, prev, open} on.
# Forms are anchored with \A and \z: ^ and $ would also match at a line end inside a text.
# Says for each entry: "ok" or CODE and why, of the envelope; the key's file; signature; bytes of the payload; payload;
# "ok" or CODE and why, of what was signed; and the evidence as "SHA256 SIZE NAME". Last, the state.
cat >"$work/entries.jq" <<'JQ'
def stems: [$names | split("\n")[:-1] | range(0; length; 2) as $i | {(.[$i]): .[$i + 1]}] | add // {};
def is(form): type == "string" and test("\\A(" + form + ")\\z");
def whole(low; high): type == "number" and . >= low and . <= high;
def closed(fields): type == "object" and keys == fields;
def one(f): type == "array" and length == 1 and (.[0] | f);
def sha: is("[0-9a-f]{64}");
def place: is("[a-z0-9][a-z0-9._-]{0,99}");
def words: is("[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}");

# There is one way to write a value, so there is one way to read it: sorted keys, integers within 2^53.
def canonical($text):
    tojson == $text and all(.. | objects; keys_unsorted == keys)
    and all(.. | numbers; (tojson | test("\\A(0|-?[1-9][0-9]*)\\z")) and fabs <= 9007199254740991)
    and ([paths | length] | max // 0) <= 64;
def read($text): $text | try [fromjson | select(canonical($text))] catch [];

def envelope:
    closed(["payload", "payloadType", "signatures"]) and .payloadType == "application/vnd.in-toto+json"
    and (.payload | type == "string" and (try (@base64d | @base64) catch null) == .)
    and (.signatures | one(closed(["keyid", "sig"]) and (.keyid | type) == "string"
        and (.sig | is("[A-Za-z0-9+/]{85}[AQgw]=="))));
def statement:
    closed(["_type", "predicate", "predicateType", "subject"])
    and ._type == "https://in-toto.io/Statement/v1"
    and .predicateType == "https://roadworthy.dev/journal/v1"
    and (.subject | one(closed(["digest", "name"]) and (.name | is("[!-~]{1,255}"))
        and (.digest | closed(["sha256"]) and (.sha256 | sha))))
    and (.predicate | type == "object");
def predicate:
    (.kind | is("start|end|failed|refused|abandon|note"))
    and (.stage | words) and (.action | words) and (.target | place) and (.environment | place)
    and (.at | is("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z"))
    and (.nonce | is("[0-9a-f]{32}")) and (.prev | sha) and (.seq | whole(1; 99999999))
    and (if has("details") then .details | type == "object" and length > 0 and all(keys[];
        IN("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome") | not) else true end)
    and (.evidence | type == "array" and all(.[]; closed(["name", "sha256", "size"]) and (.sha256 | sha)
        and (.size | whole(0; 67108864)) and (.name | is("[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}"))));

# What the signing key may sign: no rule at all is enough in the sandbox, and nothing elsewhere.
def permitted($keyid):
    . as $said | stems[$keyid] as $stem
    | [$rules[0][] | select(IN(.key; $keyid, $stem) and .target == $said.target)] as $mine
    | ($mine == [] and .target == "sandbox") or any($mine[];
        ((.until // "") == "" or $said.at < (.until | sub("Z$"; ".000000Z")))
        and any(.environments[]; IN("*", $said.environment))
        and any(.stages[]; IN("*", $said.stage)) and any(.actions[]; IN("*", $said.action)));

# CODE and why, or {open} with the start that is open afterwards.
def judged($state; $keyid):
    if statement | not then "form it is not a journal entry"
    elif .predicate | predicate | not then "form a field of the entry is malformed"
    else
        .subject[0] as $subject | .predicate
        | ($subject.name | startswith("environment:")) as $no_package
        | (if $no_package then "" else $subject.digest.sha256 end) as $digest
        | $state.open as $open
        | if .target != $target or .environment != $environment then "place it belongs to \(.target)/\(.environment)"
        elif .seq != $state.seq + 1 then "order it says that it is entry \(.seq)"
        elif .prev != $state.prev then "chain prev is not the digest of the entry before it"
        elif $no_package and $subject != {name: "environment:\(.target)/\(.environment)", digest: {sha256: .prev}}
            then "form its subject is another environment"
        elif permitted($keyid) | not then "policy \($keyid) may not sign \(.stage)/\(.action) at \(.at)"
        elif .kind | IN("start", "refused", "note") then
            if .settles != null then "lock a \(.kind) cannot settle anything"
            elif .kind == "start" and $open != null then "lock it starts while start \($open.seq) is open"
            elif .kind == "start" then {open: {seq: .seq, digest: $digest}}
            else {open: $open} end
        elif $open == null or (.settles | type) != "number" or .settles != $open.seq
            then "lock its \(.kind) does not settle the open start"
        elif .kind != "abandon" and $open.digest != "" and $digest != $open.digest
            then "package its \(.kind) is about another package than start \($open.seq)"
        else {open: null} end
    end;

def entry($state):
    index("|") as $bar | .[79:$bar] as $bytes | .[$bar + 1:] as $text | .[14:78] as $sum
    # A length that differs betrays what reading lines hides: a line end, a NUL, bytes that are no UTF-8.
    | (if ($text | utf8bytelength | tostring) == $bytes then read($text) else [] end) as $found
    | if $found == [] then {stop: true, say: ["form it is not canonical JSON with integers only"]}
    elif $found[0] | envelope | not
        then {stop: true, say: ["form it is not a DSSE envelope of in-toto with one signature"]}
    elif stems | has($found[0].signatures[0].keyid) | not
        then {stop: true, say: ["key \($found[0].signatures[0].keyid[0:60] | tojson) is not a trusted key"]}
    else
        $found[0].signatures[0] as $signed | $found[0].payload as $payload | ($payload | @base64d) as $said
        | read($said) as $statement
        | (if $statement == [] then "form it is not canonical JSON with integers only"
            else $statement[0] | judged($state; $signed.keyid) end) as $verdict
        | ["ok", ($signed.keyid | ltrimstr("SHA256:") | gsub("/"; "_")), $signed.sig, ($said | utf8bytelength), $payload] as $proof
        | if $verdict | type == "string" then {stop: true, say: ($proof + [$verdict])}
        else {
            seq: ($state.seq + 1), prev: $sum, open: $verdict.open,
            say: ($proof + ["ok", ($statement[0].predicate.evidence
                | length, (.[] | "\(.sha256) \(.size) \(.name)"))])
        } end
    end;

foreach (inputs, null) as $line ($state;
    . as $before
    | if .stop then .say = []
    elif $line == null then .say = [del(.say) | tojson]
    else $line | entry($before) end;
    .say[])
JQ

# trust.toml as JSON; stops at what it does not understand. A rule may name a key by id or by stem.
cat >"$work/policy.jq" <<'JQ'
def pair: [capture("\\A(?<name>[a-z]+)[ \\t]*=[ \\t]*(?<value>\"[^\"\\\\]*\"|\\[[^\\]\\\\]*\\])[ \\t]*(#.*)?\\z")]
    | if length == 1 then .[0] | .value |= fromjson else error("a line that this script cannot read") end;
def texts: type == "array" and all(.[]; type == "string");
def sound: ((keys - ["until"]) == ["actions", "environments", "key", "stages", "target"])
    and (.actions | texts) and (.environments | texts) and (.stages | texts) and (.target | type) == "string"
    and IN(.key; $names | split("\n")[:-1][])
    and ((.until // "") | type == "string"
        and test("\\A([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?\\z"));
reduce inputs as $line ([]; ($line | gsub("\\A[ \\t]+|[ \\t\\r]+\\z"; "")) as $text
    | if $text == "" or ($text | startswith("#")) then .
    elif $text | test("\\A\\[\\[rule\\]\\][ \\t]*(#.*)?\\z") then . + [{}]
    elif . == [] then error("a line before the first rule")
    else ($text | pair) as $pair
        | if .[-1] | has($pair.name) then error("a repeated line") else .[-1][$pair.name] = $pair.value end
    end)
| if all(.[]; sound) then . else error("a rule that is malformed") end
JQ

# --- the keys, and what they may sign -------------------------------------------------------------------

mkdir "$work/keys"
: >"$work/names"
for path in "$trust"/*.pub; do
    [ -e "$path" ] || continue
    stem=${path##*/}
    stem=${stem%.pub}
    type='' blob=''
    read -r type blob _ <"$path" || :
    printf '%s' "$blob" | base64 -d >"$work/blob" 2>/dev/null || :
    prefix=$(od -An -v -tx1 -N19 "$work/blob" | tr -d ' \n')
    # ssh: 00 00 00 0b "ssh-ed25519" 00 00 00 20, then the 32 bytes of the key.
    if [ "$type" != ssh-ed25519 ] || [ "$prefix" != 0000000b7373682d6564323535313900000020 ] ||
        [ "$(wc -c <"$work/blob")" -ne 51 ] || [ "$(tail -n +2 "$path" | wc -c)" -ne 0 ]; then
        bad trust policy "$stem.pub is not one OpenSSH Ed25519 public key"
    fi
    id=$(openssl dgst -sha256 -binary "$work/blob" | base64 -w0 | tr -d =)
    pem=$work/keys/$(printf %s "$id" | tr / _)
    [ ! -e "$pem" ] || bad trust policy "$stem.pub is the same key as $(cat "$pem.stem").pub"
    {
        echo '-----BEGIN PUBLIC KEY-----'
        # DER of SubjectPublicKeyInfo with id-Ed25519 (RFC 8410), which the 32 bytes complete.
        { printf '\060\052\060\005\006\003\053\145\160\003\041\000' && tail -c 32 "$work/blob"; } | base64 -w0
        printf '\n%s\n' '-----END PUBLIC KEY-----'
    } >"$pem"
    printf '%s' "$stem" >"$pem.stem"
    printf 'SHA256:%s\n%s\n' "$id" "$stem" >>"$work/names"
done
echo '[]' >"$work/rules"
if [ -e "$trust/trust.toml" ]; then
    jq -nR --rawfile names "$work/names" -f "$work/policy.jq" <"$trust/trust.toml" \
        >"$work/rules" 2>"$work/why" || {
        why=$(cat "$work/why")
        bad trust policy "trust.toml has ${why##*: }"
    }
fi

# --- the entries ----------------------------------------------------------------------------------------

leftover() { # of a writer that was killed: .16 hex digits.part
    hex=${1#.}
    hex=${hex%.part}
    [ "$1" = ".$hex.part" ] && [ ${#hex} -eq 16 ] && case $hex in *[!0-9a-f]*) false ;; esac
}

for path in "$dir"/.[!.]* "$dir"/..?* "$dir"/*; do
    [ -e "$path" ] || [ -h "$path" ] || continue
    name=${path##*/}
    case $name in
    00000000.json) bad "$name" folder 'it is no entry' ;;
    [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].json) ;;
    *) leftover "$name" || bad "$name" folder 'it is no entry' ;;
    esac
done

# Judges the files in $batch, which lie in $dir without a gap and are regular, and goes on from $state.
judge() {
    # shellcheck disable=SC2086 # the names are digits
    set -- $batch
    [ $# -gt 0 ] || return 0
    sha256sum "$@" >"$work/sums"
    wc -c "$@" >"$work/sizes"
    while read -r sum name <&3 && read -r size _ <&4; do
        printf '%s %s %s\n' "$name" "$sum" "$size"
    done 3<"$work/sums" 4<"$work/sizes" >"$work/about"
    # paste puts each file on one line of its own.
    paste -s "$@" | paste -d '|' "$work/about" - |
        jq -nRr --argjson state "$state" --arg target "$target" --arg environment "$environment" \
            --rawfile names "$work/names" --slurpfile rules "$work/rules" -f "$work/entries.jq" \
            >"$work/verdicts" || bad "$1" form 'these entries cannot be judged'
    {
        for name; do
            prove
        done
        read -r state
    } <"$work/verdicts"
}

# Reads what entries.jq says about $name, and checks what it cannot: the signature and the evidence.
prove() {
    read -r code why
    [ "$code" = ok ] || bad "$name" "$code" "$why"
    read -r key && read -r sig && read -r size && read -r payload
    # DSSE's pre-authentication encoding of the payload: what the key signed.
    printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$size" >"$work/signed"
    base64 -d >>"$work/signed" <<EOF
$payload
EOF
    base64 -d >"$work/sig" <<EOF
$sig
EOF
    openssl pkeyutl -verify -pubin -inkey "$work/keys/$key" -rawin -in "$work/signed" \
        -sigfile "$work/sig" >/dev/null 2>&1 || bad "$name" signature "the signature does not verify"
    read -r code why
    [ "$code" = ok ] || bad "$name" "$code" "$why"
    read -r files
    while [ "$files" -gt 0 ]; do
        files=$((files - 1))
        read -r sum size label
        file=$root/evidence/$sum
        [ ! -h "$file" ] && [ -f "$file" ] || bad "$name" evidence "$label: it is not a regular file"
        [ "$(wc -c <"$file")" -eq "$size" ] && [ "$(sha256sum <"$file")" = "$sum  -" ] ||
            bad "$name" evidence "$label has other bytes than the entry says"
    done
}

cd "$dir"
state='{"seq":0,"prev":"0000000000000000000000000000000000000000000000000000000000000000","open":null}'
seq=0 batch='' fault=''
for name in *.json; do
    [ -e "$name" ] || [ -h "$name" ] || continue
    expected=$(printf '%08d.json' $((seq + 1)))
    if [ "$name" != "$expected" ]; then
        name=$expected fault='missing there is no such entry, but later ones'
    elif [ -h "$name" ] || [ ! -f "$name" ]; then
        fault='file it is not a regular file'
    elif [ ! -r "$name" ]; then
        fault='file it cannot be read'
    elif [ "$(wc -c <"$name")" -gt 1048576 ]; then
        fault='size it is bigger than 1048576 bytes'
    fi
    # What comes before the fault is judged first: the first bad entry is the one to name.
    [ -z "$fault" ] || break
    seq=$((seq + 1)) batch="$batch $name"
    [ $((seq % 100)) -ne 0 ] || { judge && batch=''; }
done
last=$name
judge
[ -z "$fault" ] || bad "$last" "${fault%% *}" "${fault#* }"
[ "$seq" -gt 0 ] || bad "$environment" folder 'there are no entries'
head=${state#*'"prev":"'}
printf 'audit: %d entries, head %d %s\n' "$seq" "$seq" "${head%%'"'*}"
