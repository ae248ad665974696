#!/bin/sh
# Runs nanobot. First checks user and home, because nanobot itself would fail later and with less helpful messages.
set -eu
umask 077
home="$HOME/.nanobot"
if [ "$(id -u)" = 0 ]; then
  echo 'nanobot must not run as root: start it with --user 1000:1000.' >&2
  exit 78
fi
if [ ! -w "$home" ]; then
  echo "$home is not writable for user $(id -u). On the host: chown -R 1000:1000 <the home>." >&2
  exit 78
fi
exec nanobot "$@"
