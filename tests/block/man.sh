#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual pages of the tools say what --help says, and --help what the programs take: every
# command and option of one is in the other, and none is unknown to the program.
. "$(dirname "$0")/common.sh"
pages=$OLDPWD/docs/man
options() { grep -oE '(^|[^[:alnum:]-])--?[a-zA-Z][a-z-]*' | sed 's/^[^-]*//' | grep -vE '^-[a-zA-Z]{2}' | sort -u; }
plain() { sed 's/\\-/-/g; s/\\f[BIR]//g; s/\\(aq/'"'"'/g; /^\.\\"/d' "$1"; }

for tool in "$img" "$io" "$nbd"; do
    name=${tool##*/}
    { "$tool" --help; [ "$name" != latimer-io ] || for c in $("$tool" -c help | awk '/ -- /{ print $1 }'); do "$tool" -c "help $c"; done; } >help
    plain "$pages/$name.1" >page
    for o in $(options <help); do
        grep -qE -- "(^|[^[:alnum:]-])$o([^[:alnum:]]|$)|\[-[a-zA-Z]*${o#-}" page
        is "$name: $o is in the page" $?
    done
    if have groff; then
        ! groff -man -ww -z "$pages/$name.1" 2>&1 | grep .; is "$name.1 is well formed" $?
    else
        skip "groff is not installed: $name.1 is not formatted"
    fi
done
for c in $("$img" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    plain "$pages/latimer-img.1" | grep -q "^$c "; is "latimer-img $c is in the page" $?
    run "latimer-img $c --help" "$img" "$c" --help
    # An option that it does not know would be told so before anything else.
    for o in $("$img" "$c" --help | options); do
        "$img" "$c" "$o" f 1M 2>&1 </dev/null | grep -q "unknown option, or one without its argument: '$o'" &&
            "$img" "$c" "$o" x f 1M 2>&1 </dev/null | grep -q "unknown option, or one without its argument: '$o'"
        is "latimer-img $c knows $o" $((! $?))
    done
done
for c in $("$io" -c help | awk '/ -- /{ print $1 }'); do
    plain "$pages/latimer-io.1" | grep -qE "^$c( |$)"; is "latimer-io's $c is in the page" $?
done
for tool in "$io" "$nbd"; do
    for o in $("$tool" --help | sed '/^Commands/,$d' | options); do
        case $o in -h | -V | --help | --version) continue ;; esac
        timeout 10 "$tool" "$o" x x x </dev/null 2>&1 | grep -qE "unrecognized option|invalid option -- '${o#-}'"
        is "${tool##*/} knows $o" $((! $?))
    done
done
finish
