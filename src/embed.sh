#!/bin/sh
# embed.sh FILE NAME - prints FILE as a C array, to build it into the program.
set -eu
printf '/* made from %s: do not edit */\nstatic const unsigned char %s[] = {\n' "$1" "$2"
od -An -v -tu1 "$1" | sed 's/  *\([0-9][0-9]*\)/\1,/g'
printf '};\n'
