#!/bin/sh
# Audits one log of the journal without the code that wrote it: sh, coreutils, jq 1.6 and openssl 3, no Python.
#
#   scripts/audit.sh DIR [--trust TRUSTDIR] [--anchor FILE|git:REPOSITORY]… [--tsa CERTIFICATES]
#
# DIR is <root>/<target>/<environment>, such as .release/journal/live/prod; evidence is in <root>/evidence.
# TRUSTDIR holds the public keys (*.pub) and trust.toml; by default `trust` beside <root>.
# An anchor is a head that was noted outside the store: a file, or the tags roadworthy/<target>/<environment>/N
# of a git repository. With --tsa each anchor FILE needs an RFC 3161 timestamp of that authority in FILE.tsr.
#
# exit 0  audit: FILE: lost: up to SEQ SHA256 …   for each entry that accepts that others were lost
#         audit: N entries, head SEQ SHA256       without an anchor, compare it yourself: only that shows a cut tail
#         audit: read beside it: LOG: entries …   proofs that its starts name, and builds of what it deployed; nothing
#                                                 else of that log was judged
# exit 1  audit: FILE: CODE: why                  the first bad entry
# exit 2  wrong usage, or a tool is missing
#
# Keys, trust.toml and anchors have the narrow forms of docs/journal-format.md; anything else is refused, never skipped.
# The questions, their order and the codes are those of journal/audit.py.

# shellcheck disable=SC2015 # A && B || bad: what follows || ends the script, so it may stand for both
set -eu
LC_ALL=C
CDPATH=''
export LC_ALL
# openssl starts faster without its configuration, which could also change what it does.
OPENSSL_CONF=/dev/null
export OPENSSL_CONF
umask 077

usage() {
    printf 'audit: %s\nusage: audit.sh DIR [--trust TRUSTDIR] [--anchor FILE|git:REPOSITORY] [--tsa CERTIFICATES]\n' "$1" >&2
    exit 2
}

bad() { # FILE CODE WHY
    printf 'audit: %s: %s: %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# $anchors holds one source a line.
dir='' trust='' anchors='' tsa='' newline='
'
while [ $# -gt 0 ]; do
    case $1 in
    --trust | --anchor | --tsa)
        [ $# -ge 2 ] && [ -n "$2" ] || usage "$1 needs a value"
        case $1 in
        --trust) trust=$2 ;;
        --anchor) anchors=$anchors$2$newline ;;
        --tsa) tsa=$2 ;;
        esac
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
for tool in jq openssl base64 mktemp nproc od paste sha256sum split; do
    command -v "$tool" >/dev/null || usage "$tool is not installed"
done
[ -d "$dir" ] || [ -z "$anchors" ] || bad "${dir##*/}" folder 'an anchor is given, but the journal is gone'
[ -d "$dir" ] || usage "$dir is not a folder"
dir=$(cd "$dir" && pwd) || usage "$dir cannot be entered"
environment=${dir##*/}
parent=${dir%/*}
target=${parent##*/}
root=${parent%/*}
: "${trust:=${root%/*}/trust}"
[ -d "$trust" ] || usage "the trust folder $trust is not a folder"
[ -z "$tsa" ] || [ -f "$tsa" ] || usage "$tsa is not a file"
case $anchors in *git:*) command -v git >/dev/null || usage 'git is not installed' ;; esac
[ ! -h "$dir" ] && [ ! -h "$parent" ] || bad "$environment" folder 'it is a link to another folder'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"

# Without ~/.jq, whose definitions would come before those of jq itself.
jq() { HOME=$work/home command jq "$@"; }

# Is it a regular file of at most BYTES, and without the control characters of SET (and those that are nowhere good)?
plain() { # FILE BYTES SET
    [ -f "$1" ] && [ -r "$1" ] && [ "$(wc -c <"$1")" -le "$2" ] &&
        [ "$(tr -d "\000-\010\013-\037\177$3" <"$1" | wc -c)" -eq "$(wc -c <"$1")" ]
}
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the programs that judge JSON -----------------------------------------------------------------------

# What is an entry, of this log or of another one.
# Forms are anchored with \A and \z: ^ and $ would also match at a line end inside a text.
cat >"$work/forms.jq" <<'JQ'
def is(form): type == "string" and test("\\A(" + form + ")\\z");
def whole(low; high): type == "number" and . >= low and . <= high;
def closed(fields): type == "object" and keys == fields;
def one(f): type == "array" and length == 1 and (.[0] | f);
def sha: is("[0-9a-f]{64}");
def place: is("[a-z0-9][a-z0-9._-]{0,99}");
# A UTC second that exists: 2026-02-30 is none.
def moment(rest): is("([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    + "|02-(0[1-9]|1[0-9]|2[0-8]))|([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
    + "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]" + rest);
def time: moment("\\.[0-9]{6}Z");
# The writer's own clock, which is the entry's time unless it says otherwise.
def clock: .at as $at | .details // {} | if has("clock") then .clock else $at end;
def words: is("[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}");

# There is one way to write a value, so there is one way to read it: sorted keys, integers within 2^53.
def canonical($text):
    tojson == $text and all(.. | objects; keys_unsorted == keys)
    and all(.. | numbers; (tojson | test("\\A(0|-?[1-9][0-9]*)\\z")) and fabs <= 9007199254740991)
    and ([paths | length] | max // 0) <= 64;
def read($text): $text | try [fromjson | select(canonical($text))] catch [];

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
    and (.at | time)
    and (.nonce | is("[0-9a-f]{32}")) and (.prev | sha) and (.seq | whole(1; 99999999))
    and (if has("details") then .details | type == "object" and length > 0 and all(keys[];
        IN("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome") | not) else true end)
    and (.evidence | type == "array" and all(.[]; closed(["name", "sha256", "size"]) and (.sha256 | sha)
        and (.size | whole(0; 67108864)) and (.name | is("[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}"))));
JQ

# Reads the entries of a package's log, and says "DIGEST NUMBER AT" of the first build that ended well. Nothing of it is judged.
cat "$work/forms.jq" - >"$work/built.jq" <<'JQ'
def entry: read(.payload | @base64d) | if . == [] then error("no entry") else .[0] end
    | if statement and (.predicate | predicate) then . else error("no entry") end;
first(foreach inputs as $one (0; . + 1; . as $number | $one | entry | select(.predicate
    | "\(.kind) \(.action) \(.environment) \(.target)" == "end build \($place) \($target)")
    | "\(.subject[0].digest.sha256) \($number) \(.predicate | clock)"))
JQ

# Reads lines "NAME SHA256 BYTES|ENVELOPE" and judges each in turn, from --argjson state on.
# Says for each entry: "ok" or CODE and why, of the envelope; the key's file; the signature; bytes of the payload and how
# it is written, "plain" or "base64"; the payload; "ok" or CODE and why, of what was signed; the evidence as
# "SHA256 SIZE NAME"; the proofs as "SHA256 ENVIRONMENT NUMBER DIGEST COMMIT ACTION"; "COUNT DIGEST COMMIT SINCE" of its
# components, its package and what it deploys since when, if it does; the components. Last, the state.
#
# Of a proof, which is an entry of another log, only as far as what was signed; then "SEQ SHA256" of the head to which it
# must lead, where its key was good, or a rule of it held, up to a head alone.
cat "$work/forms.jq" - >"$work/judging.jq" <<'JQ'
def stems: [$names | split("\n")[:-1] | range(0; length; 2) as $i | {(.[$i]): .[$i + 1]}] | add // {};
def envelope:
    closed(["payload", "payloadType", "signatures"]) and .payloadType == "application/vnd.in-toto+json"
    and (.payload | type == "string" and (try (@base64d | @base64) catch null) == .)
    and (.signatures | one(closed(["keyid", "sig"]) and (.keyid | type) == "string"
        and (.sig | is("[A-Za-z0-9+/]{85}[AQgw]=="))));

# The entries of other logs that a start names as what opened the way.
def proofs: if .kind == "start" then [.details.proofs | arrays[]] else [] end;
def proof: closed(["action", "environment", "seq", "sha256"]) and (.action | words) and (.environment | place)
    and (.seq | whole(1; 99999999)) and (.sha256 | sha);

# A note that accepts the loss of entries, of which the newest is known from somewhere: the log goes on at a higher number.
def accepts: .kind == "note" and .action == "accept-loss";
def loss: . as $said | .details.lost? // null | closed(["from", "seq", "sha256"]) and (.seq | whole($said.seq; 99999998))
    and (.sha256 | is("[0-9a-f]{12,64}")) and (.from | is("[ -~]{1,200}"))
    and (.seq as $last | $said.details.goes_on_at | whole($last + 1; 99999999));
def told: "\(.seq + 100000000 | tostring | .[1:]).json: lost: up to \(.details.lost.seq) \(.details.lost.sha256), known from"
    + " \(.details.lost.from); goes on at \(.details.goes_on_at): \(.change | objects | .why | tojson)";

# The components of a release of several: their digests, listed by name as sha256sum does, are the package's own.
def components: (.to | objects | .components) // (.details | objects | .components) // [];
def component: type == "object" and (.name | is("[a-z][a-z0-9]{0,30}")) and (.digest | sha);
def apart: type == "array" and all(.[]; component) and (map(.name) | unique | length) == length;

def second: "\(.[0:19])Z" | fromdateiso8601;

# The signing key, for people: its file and its fingerprint.
def whose($keyid): "\(stems[$keyid]).pub (\($keyid))";

# Of a rule that names the work of the entry $said: does it cover that entry's time, and its number?
def begun($said): (.from // "")[:19] <= ($said | clock);
def lasts($said): (.until // "") == "" or ($said | clock) < (.until | sub("Z$"; ".000000Z"));
def stands($said): .good == null
    or any(.good[]; .place == "\($said.target)/\($said.environment)" and .seq >= $said.seq);
def names($said): any(.environments[]; IN("*", $said.environment))
    and any(.stages[]; IN("*", $said.stage)) and any(.actions[]; IN("*", $said.action));
def rules_of($keyid): . as $said | stems[$keyid] as $stem
    | [$policy[0].rules[] | select(IN(.key; $keyid, $stem) and .target == $said.target)];

# What the signing key may sign: no rule at all is enough in the sandbox, and nothing elsewhere.
def permitted($keyid):
    . as $said | rules_of($keyid) as $mine
    | ($mine == [] and .target == "sandbox") or any($mine[];
        begun($said) and lasts($said) and stands($said) and names($said)
        and ($said.kind != "start" or ((.needs // []) - [$said | proofs[] | objects | .action]) == []));

# What it lacked, of the rule that came nearest.
def why_not($keyid):
    . as $said | [rules_of($keyid)[] | select(names($said))]
    | if . == [] then "no rule of trust.toml says so"
    elif any(.[]; begun($said) and lasts($said) and stands($said)) then "it names no proof that the rule needs"
    elif any(.[]; begun($said) and lasts($said)) then "its rule is over"
    elif any(.[]; begun($said) | not) then "it was not valid yet"
    else "it had expired" end;

# The policy that the entry names: its number and digest, {version: 0, sha256: ""} for none, null for nonsense.
def named: (.details // {}).policy as $named
    | if $named == null then {version: 0, sha256: ""}
    elif $named | closed(["sha256", "version"]) and (.version | whole(1; 999999999)) and (.sha256 | sha) then $named
    else null end;

# What revocations let the key sign: entries up to the head that they name as the last good one.
def good($keyid): . as $said | stems[$keyid] as $stem
    | [$policy[0].revoked[] | select(IN(.key; $keyid, $stem))]
    | . == [] or any(.[].good[]; .place == "\($said.target)/\($said.environment)" and .seq >= $said.seq);

# A package's stages, each with those that have to have ended well before it does; and what a failed one takes back.
def before: {intake: [], build: ["intake"], accept: ["intake", "build"], release: ["intake", "build", "accept"]}[.action];
def taken_back: {intake: ["intake"], accept: ["accept", "release"]}[.action] // [];

# CODE and why, or the stages that a package has passed afterwards. A start may stand before its turn: whoever lost
# a race finds that out after it, and gives up.
def passed($stages; $digest):
    before as $needed
    | if $needed == null then $stages
    elif .kind == "failed" then $stages - taken_back
    elif .kind != "end" then $stages
    elif $digest == "" and .action != "intake" then "package its \(.action) names no package"
    elif $needed - $stages != []
        then "stage its \(.action) ended before any \($needed - $stages | .[0]) had ended well"
    else $stages - [.action] + [.action] end;

# CODE and why, or the package afterwards: what runs in an environment, or what a package's log is about, with its stages.
def followed($package; $stages; $digest):
    if .environment | is("package-[0-9a-f]{40}") then
        passed($stages; $digest) as $passed
        | if $digest != "" and $package != "" and $digest != $package and (.kind | IN("start", "end"))
            then "package it is about another package than the entries before it"
        elif $passed | type == "string" then $passed
        elif $digest != "" and (.kind | IN("start", "end")) then {package: $digest, stages: $passed}
        else {package: $package, stages: $passed} end
    elif .kind == "end" and (.action | IN("deploy", "rollback", "adopt")) then {package: $digest}
    elif .kind == "end" and (.action | IN("migrate", "certify", "config", "complete")) and $digest != $package
        then "stage the package of its \(.action) is not the one that was deployed here last"
    else {package: $package} end;

# The commit of a package, by its name; a dash for what is none.
def commit: [.name | capture("\\A[a-z]+:(?<commit>[0-9a-f]{40})\\z") | .commit] | .[0] // "-";

# The commit that a deploy names and since when it runs; two dashes for what is none.
def deploys($began; $about):
    [select(.action == "deploy" and (.kind | IN("start", "end"))) | $about | commit | select(. != "-")] as $named
    | if $named == [] then "- -" else "\($named[0]) \(if .kind == "start" then clock else $began.at end)" end;

# CODE and why, or {open, at, policy, package, stages} as they are afterwards.
def judged($state; $keyid; $sum):
    if statement | not then "form it is not a journal entry"
    elif .predicate | predicate | not then "form a field of the entry is malformed"
    else
        .subject[0] as $subject | .predicate | . as $said
        | ($subject.name | startswith("environment:")) as $no_package
        | (if $no_package then "" else $subject.digest.sha256 end) as $digest
        | $state.open as $open | named as $named
        | clock as $clock | {open: $open, at: .at, clock: $clock, policy: $named, package: $state.package, stages: $state.stages,
            next: (.seq + 1), lost: $state.lost} as $after
        | if .target != $target or .environment != $environment then "place it belongs to \(.target)/\(.environment)"
        elif .seq != $state.next then "order it says that it is entry \(.seq)"
        elif .prev != $state.prev then "chain prev is not the digest of the entry before it"
        elif .at < $state.at then "time its time \(.at) is before that of the entry before it"
        elif $clock | time | not then "time its clock is malformed"
        elif $clock > .at then "time its clock \($clock) is later than its time"
        elif $state.clock != "" and (.details.clock_why // "" | type == "string" and . != "" | not)
            and ($state.clock | second) - ($clock | second) > 600
            then "time its clock is far behind that of the entry before it, and it does not say why"
        elif $no_package and $subject != {name: "environment:\(.target)/\(.environment)", digest: {sha256: .prev}}
            then "form its subject is another environment"
        elif $named == null then "policy the policy that it names is malformed"
        elif $named.version > $policy[0].version
            or $named.version == $policy[0].version and $named.sha256 != $policy[0].sha256
            then "policy it was written under policy \($named.version), and trust.toml is \($policy[0].version)"
        elif $named.version < $state.policy.version or $named.version == $state.policy.version and $named != $state.policy
            then "policy it was written under policy \($named.version), after \($state.policy.version) was in force"
        elif good($keyid) | not then "policy \(whose($keyid)) was revoked before it signed this entry"
        elif permitted($keyid) | not then "policy \(whose($keyid)) may not sign \(.stage)/\(.action) at \($clock): \(why_not($keyid))"
        elif .kind | IN("start", "refused", "note") then
            if .settles != null then "lock a \(.kind) cannot settle anything"
            elif .details.receipts // [] | IN("", 0, [], {}) | not
                then "effect a \(.kind) tells of an effect, which needs a start before it"
            elif .kind == "start" and $open != null then "lock it starts while start \($open.seq) is open"
            elif .kind == "start" and any(.verdicts | arrays[] | objects; .outcome == "refuse")
                then "refused it starts what one of its guards refused"
            elif .kind == "start" then $after | .open = ($said | {seq, stage, action} | .digest = $digest | .at = $clock)
            else $after end
        elif $open == null or (.settles | type) != "number" or .settles != $open.seq
            then "lock its \(.kind) does not settle the open start"
        elif .kind != "abandon" and (.stage != $open.stage or .action != $open.action)
            then "stage its \(.kind) is of another action than start \($open.seq)"
        elif .kind != "abandon" and $open.digest != "" and $digest != $open.digest
            then "package its \(.kind) is about another package than start \($open.seq)"
        else $after | .open = null end
        | . as $verdict | $said | followed($state.package; $state.stages; $digest) as $package
        | (if ($verdict | type) == "string" then $verdict
            elif ($package | type) == "string" then $package
            elif all(proofs[]; proof) | not then "proof the proofs that it names are malformed"
            elif $digest != "" and (components | apart | not) then "package the components that it names are malformed"
            elif accepts and (loss | not) then "loss what it says of the entries that were lost is malformed"
            elif accepts then $verdict + $package + {next: .details.goes_on_at, lost: ($state.lost + [told])}
            else $verdict + $package end) as $verdict | $said
        | if ($verdict | type) == "object" and (accepts | not) and any($pins[0][]; .seq == $said.seq and .sha256 != $sum)
            then "anchor another entry of this number was anchored"
        else $verdict end
    end;

# What an envelope holds, {keyid, sum, statement, proof}, or {say}: why it is none.
def opened:
    index("|") as $bar | .[79:$bar] as $bytes | .[$bar + 1:] as $text | .[14:78] as $sum
    # A length that differs betrays what reading lines hides: a line end, a NUL, bytes that are no UTF-8.
    | (if ($text | utf8bytelength | tostring) == $bytes then read($text) else [] end) as $found
    | if $found == [] then {say: ["form it is not canonical JSON with integers only"]}
    elif $found[0] | envelope | not then {say: ["form it is not a DSSE envelope of in-toto with one signature"]}
    elif stems | has($found[0].signatures[0].keyid) | not
        then {say: ["key \($found[0].signatures[0].keyid[0:60] | tojson) is not a trusted key"]}
    else
        $found[0].signatures[0] as $signed | $found[0].payload as $payload | ($payload | @base64d) as $said
        # Text without control characters is one line that the shell can read as it is.
        | (if $said | test("[[:cntrl:]]") then ["base64", $payload] else ["plain", $said] end) as $how
        | {keyid: $signed.keyid, sum: $sum, statement: read($said), proof: ["ok",
            ($signed.keyid | ltrimstr("SHA256:") | gsub("/"; "_")), $signed.sig,
            "\($said | utf8bytelength) \($how[0])", $how[1]]}
    end;

def entry($state):
    (.[0:8] | tonumber) as $number
    | if $number != $state.next
        then {stop: true, say: ["order the log goes on at \($state.next), says the entry before it"]}
    else opened | if has("say") then .stop = true
    else
        .proof as $proof | .statement as $statement | .sum as $sum | .keyid as $keyid
        | (if $statement == [] then "form it is not canonical JSON with integers only"
            else $statement[0] | judged($state; $keyid; $sum) end) as $verdict
        | if $verdict | type == "string" then {stop: true, say: ($proof + [$verdict])}
        else $verdict + {
            seq: $state.next, prev: $sum,
            say: ($proof + ["ok", ($statement[0].predicate
                | deploys($state.open; $statement[0].subject[0]) as $deploys
                | (.evidence | length, (.[] | "\(.sha256) \(.size) \(.name)")),
                (($statement[0].subject[0] | if .name | startswith("environment:") then "none"
                    else .digest.sha256 end) as $digest | ($statement[0].subject[0] | commit) as $commit
                    | (proofs | length,
                    (.[] | "\(.sha256) \(.environment) \(.seq) \($digest) \($commit) \(.action)")),
                    ((if $digest == "none" then [] else components end) | "\(length) \($digest) \($deploys)",
                    (sort_by(.name)[] | "\(.digest)  \(.name)"))))])
        } end
    end end;

# Is it the entry of a log of the target that a start of package $digest names as its proof? What it leads to, or why not.
def proven($keyid; $sum; $link):
    ($link | split(" ")) as [$_, $place, $number, $__, $digest, $commit] | ($link | split(" ")[6:] | join(" ")) as $action
    | ({test: "verification", accept: "verification", release: "release", certify: "verification"}[$action]) as $stage
    | def unbelievable(why): ", which opened the way, cannot be believed: \(why)";
    if (statement and (.predicate | predicate)) | not then unbelievable("it is no entry")
    else
        .subject[0].digest.sha256 as $about | .predicate | named as $named | clock as $clock
        | "\(.target)/\(.environment)" as $where
        | [$policy[0] | .revoked[], .rules[] | .key as $key | (.good // [])[] | select(.place == $where) | .key = $key] as $heads
        | if [.target, .environment, .seq] != [$target, $place, ($number | tonumber)]
            then unbelievable("it says that it is entry \(.seq) of \($where)")
        elif ($clock | time | not) or $clock > .at then unbelievable("its clock is malformed")
        elif $named == null or $named.version > $policy[0].version
            or $named.version == $policy[0].version and $named.sha256 != $policy[0].sha256
            then unbelievable("it was written under another policy than this trust.toml")
        elif good($keyid) | not then unbelievable("\(whose($keyid)) was revoked before it signed this entry")
        elif permitted($keyid) | not then unbelievable("\(whose($keyid)) may not sign \(.stage)/\(.action) at \($clock): \(why_not($keyid))")
        elif .seq as $seq | any($heads[]; .seq == $seq and .sha256 != $sum)
            then unbelievable("trust.toml names another entry of this number")
        elif [.kind, .stage, .action, $about] != ["end", $stage, $action, $digest]
            or (if $action == "certify" then $place | is("package-[0-9a-f]{40}")
                else $place != "package-\($commit)" end)
            then " is no \($action) of this package that succeeded"
        else .seq as $seq | stems[$keyid] as $stem
            | {leads: ([$heads[] | select(IN(.key; $keyid, $stem) and .seq >= $seq)] | sort_by([.seq, .sha256])
                | if . == [] then "- -" else "\(.[0].seq) \(.[0].sha256)" end)} end
    end;
JQ
cat "$work/judging.jq" - >"$work/entries.jq" <<'JQ'
foreach (inputs, null) as $line ($state;
    . as $before
    | if .stop then .say = []
    elif $line == null then .say = [del(.say) | tojson]
    else $line | entry($before) end;
    .say[])
JQ

# Judges lines as entries.jq does, each as the proof that a line "ENTRY PLACE NUMBER SHA256 DIGEST COMMIT ACTION" names.
cat "$work/judging.jq" - >"$work/proofs.jq" <<'JQ'
($links | split("\n")) as $named
| foreach inputs as $line ({at: -1};
    .at += 1 | $named[.at] as $link | .say = ($line | opened | if has("say")
            then [", which opened the way, cannot be believed: \(.say[0] | sub("^[a-z]+ "; ""))"]
        else .proof as $proof | .keyid as $keyid | .sum as $sum
            | (.statement | if . == [] then ", which opened the way, cannot be believed: it is not canonical JSON"
                else .[0] | proven($keyid; $sum; $link) end)
            | if type == "string" then $proof + [.] else $proof + ["ok", .leads] end
        end);
    .say[])
JQ

# trust.toml as JSON; stops at what it does not understand. A rule may name a key by id or by stem.
cat "$work/forms.jq" - >"$work/policy.jq" <<'JQ'
def line(form): "\\A[ \\t]*(\(form))[ \\t]*(#.*)?\\z";
def word: "\"[ !#-\\[\\]-~]*\""; # printable ASCII without a quote and a backslash
def list: "\\[[ \\t]*(\(word)([ \\t]*,[ \\t]*\(word))*[ \\t]*)?\\]";
def pair: [capture(line("(?<name>[a-z]+)[ \\t]*=[ \\t]*(?<value>\(word)|\(list))"))]
    | if length == 1 then .[0] | .value |= fromjson else error("a line that is no part of its format") end;
def number: [capture(line("version[ \\t]*=[ \\t]*(?<value>[1-9][0-9]{0,8})")).value | tonumber]
    | if length == 1 then .[0] else error("a line before the first table that is no version") end;
def texts: type == "array" and all(.[]; type == "string");
def bound: . == null or . == "" or moment("Z");
def known: IN(.key; $names | split("\n")[:-1][]);
def place: "[a-z0-9][a-z0-9._-]{0,99}";
def head: [capture("\\A(?<place>\(place)/\(place)) (?<seq>[1-9][0-9]{0,7}) (?<sha256>[0-9a-f]{64})\\z")]
    | if length == 1 then .[0] | .seq |= tonumber else error("a head that is malformed") end;
def id: . as $said | $names | split("\n")[:-1] | (index($said) / 2 | floor) as $i | .[2 * $i];
def heads: if ([.[].place] | unique | length) == length then . else error("a head that is repeated") end;
def rule: if ((keys - ["from", "good", "needs", "until"]) == ["actions", "environments", "key", "stages", "target"])
    and (.actions | texts) and (.environments | texts) and (.stages | texts) and (.target | type) == "string"
    and ((.needs // []) | texts) and ((.good // []) | texts) and known and (.from | bound) and (.until | bound)
    then (if has("good") then .good |= (map(head) | heads) else . end) else error("a rule that is malformed") end;
def revocation: if keys == ["good", "key"] and (.good | texts) and known
    then .key |= id | .good |= map(head) else error("a revocation that is malformed") end;
reduce inputs as $text ({tables: []};
    [$text | capture(line("\\[\\[(?<table>rule|revoked)\\]\\]")).table] as $table
    | if $text | test(line("")) then .
    elif $table != [] then .tables += [[$table[0], {}]]
    elif .tables == [] and .version == null then .version = ($text | number)
    elif .tables == [] then error("a repeated line")
    else ($text | pair) as $pair
        | if .tables[-1][1] | has($pair.name) then error("a repeated line")
        else .tables[-1][1][$pair.name] = $pair.value end
    end)
| if .version == null then error("no version") else . end
| [.tables[] | select(.[0] == "rule")[1] | rule] as $rules
| [.tables[] | select(.[0] == "revoked")[1] | revocation] as $revoked
# Two heads of one log for one key are a contradiction.
| ($revoked | map(.key as $key | .good[] | [$key, .place])) as $heads
| if ($heads | unique | length) != ($heads | length) then error("a head that is repeated")
else {version: .version, sha256: $sha256, rules: $rules, revoked: $revoked} end
JQ

# An anchor, said as a file or a tag's text: {place, seq, sha256, policy}. Stops at anything else.
# No name and no digest has a colon, so each colon is a member: a repeated one is one too many.
cat >"$work/anchor.jq" <<'JQ'
def name: "\"[a-z0-9][a-z0-9._-]{0,99}\"";
def sha: "\"[0-9a-f]{64}\"";
def policy: "\"(sha256\" *: *\(sha)|version\" *: *[1-9][0-9]{0,8})";
def field: "\"((environment|target)\" *: *\(name)|seq\" *: *[1-9][0-9]{0,7}|sha256\" *: *\(sha)"
    + "|policy\" *: *\\{ *\(policy) *, *\(policy) *\\})";
. as $text | (if test("\\A *\\{ *\(field)( *, *\(field)){3,4} *\\}[ \n]*\\z") then fromjson else {} end)
| if (keys - ["policy"]) == ["environment", "seq", "sha256", "target"]
    and ((.policy // {}) | keys | IN([], ["sha256", "version"]))
    and ([keys, (.policy // {} | keys) | .[]] | length) == ($text | [match(":"; "g")] | length)
then {place: "\(.target)/\(.environment)", seq, sha256, policy: (.policy // {version: 0, sha256: ""})}
else error("no anchor") end
JQ

# --- the keys, and what they may sign -------------------------------------------------------------------

mkdir "$work/keys"
: >"$work/names"
: >"$work/listed"
for path in "$trust"/*.pub; do
    [ -e "$path" ] || [ -h "$path" ] || continue
    stem=${path##*/}
    stem=${stem%.pub}
    case $stem in
    [!A-Za-z0-9]* | *[!A-Za-z0-9._-]* | *.pub | '') bad trust policy 'a file has a name that cannot name a key' ;;
    esac
    [ ${#stem} -le 100 ] && plain "$path" 16384 '\011' || bad trust policy "$stem.pub cannot be read as a key"
    IFS= read -r line <"$path" || :
    blob=${line#ssh-ed25519 }
    blob=${blob%% *}
    printf '%s' "$blob" | base64 -d >"$work/blob" 2>/dev/null || :
    prefix=$(od -An -v -tx1 -N19 "$work/blob" | tr -d ' \n')
    # ssh: 00 00 00 0b "ssh-ed25519" 00 00 00 20, then the 32 bytes of the key.
    case $line in
    "ssh-ed25519 $blob" | "ssh-ed25519 $blob "*) ;;
    *) prefix='' ;;
    esac
    if [ "$prefix" != 0000000b7373682d6564323535313900000020 ] || [ "$(wc -c <"$work/blob")" -ne 51 ] ||
        [ "$(base64 -w0 <"$work/blob")" != "$blob" ] || [ "$(tail -n +2 "$path" | wc -c)" -ne 0 ]; then
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
    printf '%s SHA256:%s\n' "$stem" "$id" >>"$work/listed"
done
echo '{"version": 0, "sha256": "", "rules": [], "revoked": []}' >"$work/policy"
if [ -e "$trust/trust.toml" ] || [ -h "$trust/trust.toml" ]; then
    plain "$trust/trust.toml" 1048576 '' ||
        bad trust policy 'trust.toml is no file of at most 1048576 bytes without control characters'
    # Another key under an old name is another policy, so the digest covers the keys too.
    sum=$(cat "$work/listed" "$trust/trust.toml" | sha256sum)
    jq -nR --rawfile names "$work/names" --arg sha256 "${sum%% *}" -f "$work/policy.jq" <"$trust/trust.toml" \
        >"$work/policy" 2>"$work/why" || {
        why=$(cat "$work/why")
        bad trust policy "trust.toml has ${why##*: }"
    }
fi

# --- the anchors ------------------------------------------------------------------------------------------

read_anchor() { # FILE, into $work/anchor
    plain "$1" 65536 '\011' && jq -Rscf "$work/anchor.jq" <"$1" >"$work/anchor" 2>/dev/null && [ -s "$work/anchor" ]
}

# $work/anchors gets every anchor of this log.
anchored() { # SOURCE
    case $1 in
    git:*)
        git -C "${1#git:}" for-each-ref --format='%(refname:strip=2) %(objecttype)' \
            "refs/tags/roadworthy/$target/$environment/" >"$work/tags" 2>/dev/null || return 1
        # Each tag's text by itself, for nothing in a text may look like another tag.
        while read -r tag kind; do
            [ "$kind" = tag ] || return 1
            git -C "${1#git:}" for-each-ref --format='%(contents:body)' "refs/tags/$tag" >"$work/body" 2>/dev/null &&
                read_anchor "$work/body" &&
                [ "roadworthy/$(jq -r '"\(.place)/\(.seq)"' "$work/anchor")" = "$tag" ] || return 1
            cat "$work/anchor" >>"$work/anchors"
        done <"$work/tags"
        ;;
    *)
        [ ! -h "$1" ] && read_anchor "$1" || return 1
        [ -z "$tsa" ] || openssl ts -verify -data "$1" -in "$1.tsr" -CAfile "$tsa" >/dev/null 2>&1 || return 1
        case $(cat "$work/anchor") in
        "{\"place\":\"$target/$environment\","*) cat "$work/anchor" >>"$work/anchors" ;;
        esac
        ;;
    esac
}

: >"$work/anchors"
while read -r source; do
    [ -z "$source" ] || anchored "$source" || bad "$environment" anchor "$source is no anchor, or its timestamp is none"
done <<EOF
$anchors
EOF
[ -z "$anchors" ] || [ -s "$work/anchors" ] || bad "$environment" anchor 'there is no anchor of this log'
# What entries must be: anchors, and the heads that revocations and rules that are over name.
# jq takes longer to start than most of what it is asked here: it is not started where there is nothing to ask.
pins=''
[ ! -s "$work/anchors" ] || pins=1
if [ -e "$trust/trust.toml" ]; then
    case $(cat "$trust/trust.toml") in *good*) pins=1 ;; esac
fi
if [ -n "$pins" ]; then
    jq -s --arg place "$target/$environment" --slurpfile policy "$work/policy" '$policy[0] as $now
        | if all(.[].policy; .version < $now.version or . == {version: $now.version, sha256: $now.sha256})
        then [.[], $now.revoked[].good[], ($now.rules[].good // [])[]] | map(select(.place == $place))
        else empty end' "$work/anchors" >"$work/pins"
    [ -s "$work/pins" ] ||
        bad trust policy 'another or newer policy was in force when the log was anchored'
else
    echo '[]' >"$work/pins"
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
            --rawfile names "$work/names" --slurpfile policy "$work/policy" --slurpfile pins "$work/pins" \
            -f "$work/entries.jq" >"$work/verdicts" || bad "$1" form 'these entries cannot be judged'
    found=''
    : >"$work/signers"
    : >"$work/sigs"
    : >"$work/links"
    : >"$work/linked"
    signers=0
    {
        for name; do
            prove || break
        done
        [ -n "$found" ] || read -r state
    } <"$work/verdicts"
    [ ! -s "$work/links" ] || beside
    signatures
    [ -z "$found" ] || bad "$name" "${found%% *}" "${found#* }"
}

# Reads the rest of what entries.jq or proofs.jq says about an envelope, and notes what its key signed. When the signature
# does not verify, that is WHY about $name.
signed() { # WHY
    read -r key && read -r sig && read -r size how && IFS= read -r payload
    # DSSE's pre-authentication encoding of the payload: what the key signed.
    if [ "$how" = plain ]; then
        printf 'DSSEv1 28 application/vnd.in-toto+json %d %s' "$size" "$payload" >"$work/signed.$signers"
    else
        printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$size" >"$work/signed.$signers"
        base64 -d >>"$work/signed.$signers" <<EOF
$payload
EOF
    fi
    printf '%s\n' "$sig" >>"$work/sigs"
    printf '%s %s %s\n' "$name" "$key" "$1" >>"$work/signers"
    signers=$((signers + 1))
}

# Reads what entries.jq says about $name, notes what its key signed, and looks at the evidence.
prove() {
    read -r found
    [ "$found" = ok ] || return 1
    signed 'signature the signature does not verify'
    read -r found
    [ "$found" = ok ] || return 1
    found=''
    read -r files
    while [ "$files" -gt 0 ]; do
        files=$((files - 1))
        read -r sum size label
        file=$root/evidence/$sum
        if [ -h "$file" ] || [ ! -f "$file" ]; then
            found="evidence $label: it is not a regular file"
        elif [ "$(wc -c <"$file")" -ne "$size" ] || [ "$(sha256sum <"$file")" != "$sum  -" ]; then
            found="evidence $label has other bytes than the entry says"
        fi
        [ -z "$found" ] || return 1
    done
    read -r links
    while [ "$links" -gt 0 ]; do
        links=$((links - 1))
        read -r sum place number digest commit action
        linked "$(printf '%s/%08d.json' "$place" "$number")" || return 1
    done
    read -r parts digest commit since
    [ "$parts" -eq 0 ] || together || return 1
    [ "$commit" = - ] || as_built
}

# The $parts components of a release of several, listed by name as sha256sum does, are package $digest.
together() {
    while [ "$parts" -gt 0 ]; do
        parts=$((parts - 1))
        IFS= read -r line
        printf '%s\n' "$line"
    done >"$work/parts"
    found='package its components are not together its package'
    [ "$(sha256sum <"$work/parts")" = "$digest  -" ] || return 1
    found=''
}

# Is package $digest, deployed since $since, the one that was built of $commit, if a build was recorded before that?
as_built() {
    # Only the newest commit is remembered: deploys of one commit mostly follow each other.
    if [ "$commit" != "$built_of" ]; then
        built_of=$commit built=''
        [ ! -f "$parent/package-$commit/00000001.json" ] || built=$(build_of "package-$commit")
        if [ -n "$built" ]; then echo "package-$commit 1 $built" >>"$work/read"; fi
    fi
    case $built in '' | "$digest "*) return 0 ;; esac
    found='package it deploys another package than the one that was built of its commit'
    jq -en --arg built "${built##* }" --arg since "$since" '$built > $since' >/dev/null || return 1
    found=''
}

build_of() { # PLACE of a package's log; says nothing when it tells of no build
    [ ! -h "$parent/$1" ] || return 0
    nth=1 file=$parent/$1/00000001.json
    while [ ! -h "$file" ] && [ -f "$file" ] && [ -r "$file" ] && [ "$(wc -c <"$file")" -le 1048576 ]; do
        cat "$file" 2>/dev/null || break
        nth=$((nth + 1))
        file=$parent/$1/$(printf '%08d.json' "$nth")
    done | jq -rn --arg place "$1" --arg target "$target" -f "$work/built.jq" 2>/dev/null || :
}

unbelievable=', which opened the way, cannot be believed'
# Is the proof that $name names there, and unchanged? Notes it, once: who signed what is judged with the others'.
linked() { # PLACE/NUMBER.json
    file=$parent/$1
    found="proof $1$unbelievable: it is not there, or another entry"
    [ ! -h "$parent/$place" ] && [ ! -h "$file" ] && [ -f "$file" ] && [ -r "$file" ] || return 1
    bytes=$(wc -c <"$file")
    [ "$bytes" -le 1048576 ] && [ "$(sha256sum <"$file")" = "$sum  -" ] || return 1
    found=''
    known=$work/followed/$place/$number.$sum
    [ ! -e "$known" ] || [ "$(cat "$known")" != "$digest $commit $action" ] || return 0
    mkdir -p "${known%/*}"
    printf '%s %s %s' "$digest" "$commit" "$action" >"$known"
    printf '%s %s - %s\n' "$place" "$number" "$number" >>"$work/read"
    printf '%s %s %s %s %s %s %s\n' "$name" "$place" "$number" "$sum" "$digest" "$commit" "$action" >>"$work/links"
    printf '%08d.json %s %s\n' "$number" "$sum" "$bytes" >"$work/about"
    paste -s "$file" | paste -d '|' "$work/about" - >>"$work/linked"
}

# Judges the proofs that were noted, and names the first entry with one that proves nothing.
beside() {
    jq -nRr --arg target "$target" --arg environment "$environment" --rawfile links "$work/links" \
        --rawfile names "$work/names" --slurpfile policy "$work/policy" --slurpfile pins "$work/pins" \
        -f "$work/proofs.jq" <"$work/linked" >"$work/verdicts" || bad "$name" form 'its proofs cannot be judged'
    latest=$name
    while read -r name place number sum _ <&6; do
        proof=$(printf '%s/%08d.json' "$place" "$number")
        IFS= read -r why
        if [ "$why" = ok ]; then
            signed "proof $proof$unbelievable: its signature does not verify"
            IFS= read -r why
        fi
        if [ "$why" = ok ]; then
            read -r last good
            why=$(leads "$place" "$number" "$sum" "$last" "$good")
        fi
        [ -z "$why" ] || { found="proof $proof$why" && return 0; }
    done 6<"$work/links" <"$work/verdicts"
    name=$latest
}

# Says why, when no chain leads from an entry to a head; $work/chain has the digests that are known, by number.
leads() { # PLACE NUMBER SHA256 HEAD SHA256
    [ "$4" != - ] || return 0
    chain=$work/chain/$1/$4.$5
    [ -e "$chain" ] || { mkdir -p "$chain" && printf '%s' "$5" >"$chain/$4" && printf '%s' "$4" >"$chain/lowest"; }
    lowest=$(cat "$chain/lowest")
    while [ "$lowest" -gt "$2" ]; do
        file=$parent/$1/$(printf '%08d.json' "$lowest")
        if [ -h "$file" ] || [ ! -f "$file" ] || [ "$(wc -c <"$file")" -gt 1048576 ] ||
            [ "$(sha256sum <"$file")" != "$(cat "$chain/$lowest")  -" ]; then
            printf '%s: entry %d after it is not the one that leads to entry %d' "$unbelievable" "$lowest" "$4"
            return 0
        fi
        lowest=$((lowest - 1))
        jq -rj '.payload | @base64d | fromjson | .predicate.prev' "$file" >"$chain/$lowest" 2>/dev/null || :
        printf '%s' "$lowest" >"$chain/lowest"
    done
    [ "$(cat "$chain/$2")" = "$3" ] || printf '%s: it does not lead to entry %d, which trust.toml names' "$unbelievable" "$4"
}

# Checks what was noted, on every core, and names the first entry with a signature that does not verify.
signatures() {
    [ "$signers" -gt 0 ] || return 0
    rm -f "$work"/sig.* "$work"/good.*
    base64 -d <"$work/sigs" | split -b 64 -a 4 - "$work/sig."
    share=0
    while [ "$share" -lt "$crew" ]; do
        verify "$share" &
        share=$((share + 1))
    done
    wait
    number=0 first=''
    while read -r entry _ why; do
        # Those of the entries themselves come before those of the proofs that they name.
        if [ ! -e "$work/good.$number" ] && { [ -z "$first" ] || [ "${entry%.json}" -lt "${first%.json}" ]; }; then
            first=$entry because=$why
        fi
        number=$((number + 1))
    done <"$work/signers"
    [ -z "$first" ] || { [ -n "$found" ] && [ "${first%.json}" -gt "${name%.json}" ]; } ||
        bad "$first" "${because%% *}" "${because#* }"
}

verify() { # SHARE: every $crew-th signature, from that one on
    number=0
    for sig in "$work"/sig.*; do
        read -r _ key _ <&5
        [ $((number % crew)) -ne "$1" ] ||
            ! openssl pkeyutl -verify -pubin -inkey "$work/keys/$key" -rawin -in "$work/signed.$number" \
                -sigfile "$sig" >/dev/null 2>&1 || : >"$work/good.$number"
        number=$((number + 1))
    done 5<"$work/signers"
}

goes_on() { # sets $next as $state has it
    next=${state#*'"next":'}
    next=${next%%[!0-9]*}
}

cd "$dir"
state='{"seq":0,"next":1,"lost":[],"prev":"0000000000000000000000000000000000000000000000000000000000000000","open":null,"package":"","stages":[],"at":"","clock":"","policy":{"version":0,"sha256":""}}'
crew=$(nproc)
built_of='' built=''
: >"$work/read"
seq=0 batch='' fault='' next=1
for name in *.json; do
    [ -e "$name" ] || [ -h "$name" ] || continue
    expected=$(printf '%08d.json' "$next")
    follows=$next
    if [ "$name" != "$expected" ]; then
        # After an entry that accepts a loss the log goes on at another number, which its judge knows.
        ending=$name
        judge && batch='' && goes_on
        name=$ending
        expected=$(printf '%08d.json' "$next")
    fi
    if [ "$name" != "$expected" ] && [ "$next" -ne "$follows" ]; then
        fault="order the log goes on at $next, says the entry before it"
    elif [ "$name" != "$expected" ]; then
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
    seq=$((seq + 1)) next=$((next + 1)) batch="$batch $name"
    [ $((seq % 100)) -ne 0 ] || { judge && batch=''; }
done
ending=$name
judge
[ -z "$fault" ] || bad "$ending" "${fault%% *}" "${fault#* }"
[ "$seq" -gt 0 ] || bad "$environment" folder 'there are no entries'
goes_on
number=${ending%.json}
number=${number#"${number%%[!0]*}"}
beyond=''
[ -z "$pins" ] || beyond=$(jq -r --argjson next "$next" 'map(.seq | select(. >= $next)) | min // empty' "$work/pins")
[ -z "$beyond" ] || bad "$(printf '%08d.json' "$beyond")" anchor \
    "the log ends at $number, but this entry was anchored: its tail was cut off, or it is an old copy"
case $state in
*'"lost":[]'*) ;;
*) printf '%s\n' "$state" | jq -r '.lost[] | "audit: \(.)"' ;;
esac
head=${state#*'"prev":"'}
printf 'audit: %d entries, head %d %s\n' "$seq" "$number" "${head%%'"'*}"
# Each line of $work/read is "PLACE FIRST DIGEST LAST" and perhaps more.
[ ! -s "$work/read" ] || jq -nRr '[inputs | split(" ") | {place: .[0], seq: range(.[1] | tonumber; (.[3] | tonumber) + 1)}] | group_by(.place)[]
    | .[0].place as $place | (map(.seq) | unique) as $all
    | reduce $all[] as $n ([]; if . != [] and .[-1][1] == $n - 1 then .[-1][1] = $n else . + [[$n, $n]] end)
    | if length > 12 then "\($all | length) of \($all[0])-\($all[-1])"
        else map(if .[0] == .[1] then "\(.[0])" else "\(.[0])-\(.[1])" end) | join(", ") end
    | "audit: read beside it: \($place): entries \(.)"' <"$work/read"
