#!/bin/sh
# Prints your images as Imgur lists them, with imgurctl and curl.
set -u
url=${1:-https://api.imgur.com/3}/account/me/images
answer=$(mktemp) || exit
trap 'rm -f "$answer"' EXIT

# Prints the status. The token goes to standard input, because every user can read the arguments of a program.
get() {
    printf 'Authorization: Bearer %s\n' "$token" | curl -sS -o "$answer" -w '%{http_code}' -H @- "$url"
}

# imgurctl has printed the error on standard error. Its exit code is the kind of error.
give_up() {
    case $1 in
        4) echo 'Sign in.' ;;
        5) echo 'Not allowed.' ;;
        6) echo 'Try again later.' ;;
    esac >&2
    exit "$1"
}

token=$(imgurctl token) || give_up $?
status=$(get) || exit
# A token can become invalid early, and only the program that uses it notices. Imgur's 403 has many other causes.
if [ "$status" = 401 ] || { [ "$status" = 403 ] && grep -q 'access token' "$answer"; }; then
    token=$(printf %s "$token" | imgurctl reject) || give_up $?
    status=$(get) || exit
fi
if [ "$status" != 200 ]; then
    echo "Imgur answers $status" >&2
    exit 1
fi
cat "$answer"
