#!/bin/sh
# May APP be changed from here? For plain shells; guards/deploy_guard.py asks the same inside roadworthy, and
# tests/parity holds the two together.
#
#   guards/deploy_guard.sh APP
#
#   0   it may
#   2   no, malformed or unknown app name, or release.toml cannot be read
#   42  APP is a production app and ALLOW_PROD_DEPLOY is not exactly YES
#
# Needs a POSIX shell and awk. What release.toml says is read by a small TOML reader below: a table may be
# written in any of TOML's ways, and what the reader does not understand ends with 2, never with 0.
set -u
LC_ALL=C
export LC_ALL

stop() { # CODE MESSAGE
    printf 'deploy_guard: %s\n' "$2" >&2
    exit "$1"
}

[ "$#" -eq 1 ] || stop 2 'say exactly one app name, as release.toml has it: guards/deploy_guard.sh APP'
app=$1
# The letters are spelt out because a range such as a-z follows the locale in some shells. The name is not
# repeated in the message: it may hold anything.
case $app in
    '' | *[!abcdefghijklmnopqrstuvwxyz0123456789-]* | [!abcdefghijklmnopqrstuvwxyz]* | *-)
        stop 2 'that is no app name: expected 3 to 30 lower-case letters, digits and dashes' ;;
esac
[ "${#app}" -ge 3 ] && [ "${#app}" -le 30 ] ||
    stop 2 'that is no app name: expected 3 to 30 lower-case letters, digits and dashes'

case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
esac
toml=${ROADWORTHY_RELEASE_TOML:-$here/../release.toml}
[ -f "$toml" ] && [ -r "$toml" ] || stop 2 'release.toml cannot be read: run this from the project'

kind=$(awk -v app="$app" '
    function fail() { bad = 1; exit 2 }

    # ---- the reader: text is the whole file, at is where it stands -----------------------------------------
    function peek() { return substr(text, at, 1) }
    function blank() { while (peek() == " " || peek() == "\t") at++ }
    function comment() { if (peek() == "#") while (at <= size && peek() != "\n") at++ }
    function gap() { # blanks, line ends and comments
        do { blank(); comment() } while (peek() == "\n" && at++)
    }
    function line_end() {
        blank(); comment()
        if (at <= size && peek() != "\n") fail()
    }
    function expect(c) { if (peek() != c) fail(); at++ }
    function escape(    c, digits, n, code) { # after a backslash; what no name may hold becomes "?"
        c = peek(); at++
        if (c == "\"" || c == "\\") return c
        if (index("btnfr", c) && c != "") return "?"
        if (c != "u" && c != "U") fail()
        for (digits = (c == "u") ? 4 : 8; digits > 0; digits--) {
            n = index("0123456789abcdef", tolower(peek()))
            if (n == 0 || peek() == "") fail()
            code = code * 16 + n - 1; at++
        }
        return (code >= 32 && code < 127) ? sprintf("%c", code) : "?"
    }
    function quoted(    q, out) { # a string on one line
        q = peek(); at++
        for (;;) {
            if (at > size || peek() == "\n") fail()
            if (peek() == q) { at++; return out }
            if (q == "\"" && peek() == "\\") { at++; out = out escape() }
            else { out = out peek(); at++ }
        }
    }
    function long_string(    q, start) { # between three quotes; no name is written like this, so "?" stands for it
        q = substr(text, at, 3); at += 3; start = at
        if (peek() == "\n") start++
        while (substr(text, at, 3) != q) {
            if (at > size) fail()
            at += (q == "\"\"\"" && peek() == "\\") ? 2 : 1
        }
        while (substr(text, at + 1, 3) == q) at++
        at += 3
        return plain(substr(text, start, at - 3 - start))
    }
    function plain(s) { return (s ~ /[\\\n]/) ? "?" : s }
    function string() {
        return (substr(text, at, 3) == "\"\"\"" || substr(text, at, 3) == "\047\047\047") ? long_string() : quoted()
    }
    function key(    out) { # a key without dots
        if (peek() == "\"" || peek() == "\047") return quoted()
        while (peek() ~ /[A-Za-z0-9_-]/) { out = out peek(); at++ }
        if (out == "") fail()
        return out
    }
    function keys(prefix,    out) { # a dotted key below prefix; parts are told apart by SUBSEP
        out = prefix SUBSEP key(); blank()
        while (peek() == ".") { at++; blank(); out = out SUBSEP key(); blank() }
        return out
    }
    function pair(prefix,    path) {
        path = keys(prefix); expect("="); blank()
        if (path in seen) fail()
        seen[path] = 1
        value(path)
    }
    function value(path,    word) {
        if (peek() == "\"" || peek() == "\047") { found(path, string(), 1); return }
        if (peek() == "[") { array(path); return }
        if (peek() == "{") { inline(path); return }
        while (at <= size && peek() !~ /[],}# \t\n]/) { word = word peek(); at++ }
        if (word == "") fail()
        found(path, word, 0)
    }
    function array(path) {
        at++; gap()
        while (peek() != "]") {
            value(path SUBSEP "[]"); gap()
            if (peek() == ",") { at++; gap() } else if (peek() != "]") fail()
        }
        at++
    }
    function inline(path) {
        at++; blank()
        if (peek() == "}") { at++; return }
        for (;;) {
            pair(path); blank()
            if (peek() == "}") { at++; return }
            expect(","); blank()
        }
    }
    function header(    path, many) {
        at++
        if (peek() == "[") { many = 1; at++ }
        blank(); path = keys("")
        expect("]"); if (many) expect("]")
        line_end()
        if (many) return path SUBSEP "[]" ++tables
        if (("table" path) in seen) fail()
        seen["table" path] = 1
        return path
    }

    # ---- what it means -------------------------------------------------------------------------------------
    function found(path, word, is_string,    part, n) {
        n = split(path, part, SUBSEP) # the first part is empty
        if (part[2] != "environments") return
        if (n == 4 && part[4] == "app" || n == 5 && part[4] ~ /^(apps|aliases)$/ && (part[4] == "aliases") == (part[5] == "[]")) {
            if (!is_string || word !~ /^[a-z][a-z0-9-]*[a-z0-9]$/ || length(word) < 3 || length(word) > 30) fail()
            if ((word in means) && means[word] != part[3]) fail() # each name means one environment
            means[word] = part[3]
            if (n == 4) named[part[3]] = 1
            if (word == app) owner[part[3]] = 1
        } else if (n == 4 && part[4] == "production") {
            if (is_string || (word != "true" && word != "false")) fail()
            if (word == "true") production[part[3]] = 1
        } else if (n != 4 || part[4] !~ /^(url|certified_in|watch)$/ || !is_string) fail()
        every[part[3]] = 1
    }

    { sub(/\r$/, ""); text = text $0 "\n" }
    END {
        if (bad) exit 2
        at = 1; size = length(text)
        for (gap(); at <= size; gap())
            if (peek() == "[") table = header()
            else { pair(table); line_end() }
        answer = "unknown"
        for (name in every) if (!(name in named) || (name in means) && means[name] != name) fail()
        for (name in owner) if (answer != "production") answer = (name in production) ? "production" : "other"
        print answer
    }
' <"$toml" 2>/dev/null) || stop 2 'release.toml cannot be understood: correct it (invoke status names the line)'

case $kind in
    other) exit 0 ;;
    production)
        case ${ALLOW_PROD_DEPLOY-} in
            YES) exit 0 ;;
        esac
        stop 42 "$app is a production app: set ALLOW_PROD_DEPLOY=YES where deploying to it is allowed" ;;
    *) stop 2 "$app is no app of release.toml: its environments.*.app and aliases name the ones there are" ;;
esac
