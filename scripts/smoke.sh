#!/bin/sh
# The playbook's checks (health, csrf, version) in a plain shell: curl and POSIX tools, no Python.
#
#   scripts/smoke.sh BASE_URL [COMMIT]
#
#   0  all three passed        1  at least one failed        2  wrong usage, or a tool is missing
#
# A tool that is missing or an address that is empty ends with 2: nothing is ever skipped. COMMIT is the
# 40-character commit that must run; without it /api/version must name one, and it is shown.
# `invoke smoke` asks more (release.toml) and keeps evidence; this is for a machine that has neither.
set -u
LC_ALL=C
export LC_ALL

usage() {
    printf 'smoke: %s\nusage: smoke.sh BASE_URL [COMMIT]\n' "$1" >&2
    exit 2
}

for tool in curl date grep mktemp mv rm sed tr; do
    command -v "$tool" >/dev/null 2>&1 || {
        printf 'smoke: %s is not installed, so nothing was checked\n' "$tool" >&2
        exit 2
    }
done

case $# in
1 | 2) ;;
*) usage 'expected an address, and at most one commit' ;;
esac
base=${1%/}
commit=${2-}
case $base in
*[!]A-Za-z0-9._~:/@%+,[-]*) usage 'the address holds characters that no address holds' ;;
http://?* | https://?*) ;;
*) usage 'the address must begin with http:// or https://' ;;
esac
if [ "$#" -eq 2 ]; then
    case $commit in
    *[!0-9a-f]*) usage 'the commit must be 40 characters, 0-9 and a-f' ;;
    esac
    [ "${#commit}" -eq 40 ] || usage 'the commit must be 40 characters, 0-9 and a-f'
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/smoke.XXXXXXXXXX") || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 2' HUP INT TERM
failed=0
# Header names know no case, but the name of a cookie does.
cookie='^[Ss][Ee][Tt]-[Cc][Oo][Oo][Kk][Ii][Ee]:[[:space:]]*csrf_token[[:space:]]*='
now=$(date -u +%Y%m%d%H%M%S)
sha='[{,][[:space:]]*"gitSha"[[:space:]]*:[[:space:]]*"\([0-9a-f]\{40\}\)"[[:space:]]*[,}]'

# ask PATH: leaves the status in $status, headers and one-line body in $folder. A redirect is not followed.
ask() {
    : >"$folder/headers"
    : >"$folder/raw"
    # -q must come first: no ~/.curlrc can weaken what is asked here.
    status=$(curl -q -gsS --proto '=http,https' --connect-timeout 5 --max-time 10 --max-filesize 1048576 \
        --noproxy "localhost,127.0.0.1,::1${NO_PROXY:+,$NO_PROXY}" -H 'Cache-Control: no-cache' \
        -D "$folder/headers" -o "$folder/raw" -w '%{http_code}' "$base$1" 2>"$folder/error") ||
        status="no answer (curl exit $?)"
    tr -d '\r\n\000' <"$folder/raw" >"$folder/body"
    # The head of the final answer alone: informational ones (103) stand before it.
    tr -d '\r' <"$folder/headers" | sed -n -e '/^HTTP\//h' -e '/^HTTP\//!H' -e '${x;p;}' >"$folder/head"
}

# verdict NAME PATH PROBLEM: one line for a check; an empty PROBLEM has passed.
verdict() {
    if [ -z "$3" ]; then
        printf 'ok    %-8s %s\n' "$1" "$2"
    else
        printf 'FAIL  %-8s %s: %s\n' "$1" "$2" "$3"
        failed=$((failed + 1))
    fi
}

# attribute NAME: what the Set-Cookie header in $line says of it, in small letters.
attribute() {
    printf '%s\n' "$line" | tr '[:upper:]' '[:lower:]' |
        sed -n "s/^[^;]*;\(.*;\)\{0,1\}[[:space:]]*$1[[:space:]]*=[[:space:]]*\([^;]*\).*/\2/p"
}

# lives: whether the cookie in $line is set by it, and neither empty, taken away nor expired. Max-Age counts first.
lives() {
    printf '%s\n' "$line" | grep -Eq "$cookie[[:space:]]*(\"[^\"]|[^;\"[:space:]])" || return 1
    age=$(attribute max-age)
    case $age in
    -*[!0-9]* | '' | *[!0-9-]* | ?*-*) ;;
    -* | 0) return 1 ;;
    *) return 0 ;;
    esac
    # "wed, 21 oct 2026 07:28:00 gmt" as 20261021072800; another form is no date, as if it were not there
    expires=$(attribute expires | sed -n 's/^[a-z]*, *\([0-9][0-9]\)[ -]\([a-z]\{3\}\)[ -]\([0-9]\{4\}\) \([0-9][0-9]\):\([0-9][0-9]\):\([0-9][0-9]\) .*/\3 \2 \1\4\5\6/p')
    [ -n "$expires" ] || return 0
    months=janfebmaraprmayjunjulaugsepoctnovdec
    month=${expires#* }
    month=${month%% *}
    before=${months%%"$month"*}
    [ "$before" != "$months" ] || return 0
    month=$((${#before} / 3 + 101))
    [ "${expires%% *}${month#1}${expires##* }" -gt "$now" ]
}

# sets_cookie: whether csrf_token is there after the whole answer; what one line sets the next may take away.
sets_cookie() {
    : >"$folder/set"
    grep -E "$cookie" "$folder/head" >"$folder/cookies"
    while IFS= read -r line; do
        place="place $(attribute domain | sed 's/^\.//') $(attribute path)"
        grep -Fxv "$place" "$folder/set" >"$folder/others"
        lives && printf '%s\n' "$place" >>"$folder/others"
        mv "$folder/others" "$folder/set"
    done <"$folder/cookies"
    [ -s "$folder/set" ]
}

# is_object: the body is one JSON object, as far as a shell can tell: nothing stands behind it, and no NaN inside.
is_object() {
    grep -Eq '^[[:space:]]*\{.*\}[[:space:]]*$' "$folder/body" &&
        ! grep -Eq '\}[[:space:]]*\{|[:,[][[:space:]]*-?(NaN|Infinity)[[:space:]]*[],}]' "$folder/body"
}

# holds FIELD VALUE: the body has this JSON field with exactly this text.
holds() {
    is_object && grep -Eq "[{,][[:space:]]*\"$1\"[[:space:]]*:[[:space:]]*\"$2\"[[:space:]]*[,}]" "$folder/body"
}

ask /api/health
problem=
if [ "$status" != 200 ]; then
    problem="$status, expected 200"
elif ! holds status healthy; then
    problem='status is not "healthy"'
fi
verdict health /api/health "$problem"

ask /api/auth/csrf
problem=
if [ "$status" != 200 ]; then
    problem="$status, expected 200"
elif ! sets_cookie; then
    problem='sets no cookie csrf_token'
fi
verdict csrf /api/auth/csrf "$problem"

ask /api/version
problem=
running=$(sed -n "s/.*$sha.*/\\1/p" "$folder/body")
if [ "$status" != 200 ]; then
    problem="$status, expected 200"
elif [ -z "$running" ] || ! is_object; then
    problem='gitSha is not a full commit'
elif [ -n "$commit" ] && [ "$running" != "$commit" ]; then
    problem="runs $running, expected $commit"
fi
verdict version /api/version "$problem"

if [ "$failed" -gt 0 ]; then
    printf 'smoke: %s of 3 checks failed\n' "$failed"
    exit 1
fi
printf 'smoke: 3 of 3 checks passed, %s runs\n' "$running"
