# shellcheck shell=bash
# The keys of production, as the person who typed this make gave them. A recipe of the Makefile reads this file:
#
#   @. scripts/keys.sh TARGET ORIGIN; invoke …
#
# The word ALLOW_PROD=1 on the command line of this very make is both keys. A key in the environment that make was
# started with is that key alone. Nothing else is a key: MAKEFLAGS and GNUMAKEFLAGS may stand in a shell's profile,
# an outer make hands its variables down, and a makefile is a file. What make knows about its variables cannot tell
# these apart (for make, MAKEFLAGS is a command line), so Linux is asked what make was started with.

refuse_keys() { # WHY TARGET
    echo "production is locked: $1, which is no key; if you mean it, type: make $2 ALLOW_PROD=1" >&2
    exit 2
}

began_with() { # NAME: its value in the environment that make was started with, with "=" before it
    local line
    for line in "${began[@]}"; do
        [[ $line != "$1="* ]] || { echo "=${line#*=}" && return; }
    done
}

# ORIGIN is what make says of ALLOW_PROD: the word alone may belong to an option, as in `--eval ALLOW_PROD=1`.
give_keys() { # TARGET ORIGIN
    local began=() typed=() word said='' exact=yes level name key
    [[ ${ALLOW_PROD-} = 1 || ${ALLOW_PROD_DEPLOY-} = YES ]] || return 0
    { mapfile -d '' -t typed <"/proc/$PPID/cmdline" && mapfile -d '' -t began <"/proc/$PPID/environ"; } 2>/dev/null ||
        refuse_keys 'this system does not say what make was started with' "$1"

    for word in "${typed[@]:1}"; do
        [[ $word =~ ^[[:space:]]*ALLOW_PROD[[:space:]]*[:?+!]*= ]] || continue
        said=yes
        [[ $word = ALLOW_PROD=1 ]] || exact=no
    done
    level=$(began_with MAKELEVEL)
    [[ -z $level || $level = =0 ]] || refuse_keys 'another make started this one' "$1"
    for name in MAKEFLAGS GNUMAKEFLAGS; do
        [[ $(began_with "$name") != *ALLOW_PROD* ]] || refuse_keys "a production key is set in $name" "$1"
    done
    if [[ $said = yes && ${ALLOW_PROD-} = 1 ]]; then
        [[ ${2-} = command ]] || refuse_keys 'ALLOW_PROD comes from a makefile' "$1"
        [[ $exact = yes ]] || refuse_keys 'ALLOW_PROD is not exactly ALLOW_PROD=1' "$1"
        export ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES
        return 0
    fi
    for key in ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES; do
        name=${key%%=*}
        [[ $name=${!name-} = "$key" && $(began_with "$name") != "=${key#*=}" ]] || continue
        for word in "${typed[@]:1}"; do
            [[ $word != "$key" ]] || continue 2
        done
        refuse_keys "$name comes from a makefile" "$1"
    done
}

give_keys "$@"
