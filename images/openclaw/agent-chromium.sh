#!/bin/sh
# Starts Chromium for an agent. A killed browser leaves its profile locked, and in a new container the lock names a process of
# another program. So the lock is removed unless its process is a browser. CHROMIUM_PROXY and CHROMIUM_PROXY_BYPASS set a proxy.
set -eu
for argument in "$@"; do
  case "$argument" in
    --user-data-dir=*)
      profile="${argument#*=}"
      lock="$(readlink "$profile/SingletonLock" || true)"
      owner="$(cat "/proc/${lock##*-}/comm" 2>/dev/null || true)"
      case "$owner" in
        chrom*) ;;
        *) rm -f "$profile/SingletonLock" "$profile/SingletonCookie" "$profile/SingletonSocket" ;;
      esac
      ;;
  esac
done
if [ -n "${CHROMIUM_PROXY:-}" ]; then
  set -- "--proxy-server=$CHROMIUM_PROXY" "$@"
  if [ -n "${CHROMIUM_PROXY_BYPASS:-}" ]; then set -- "--proxy-bypass-list=$CHROMIUM_PROXY_BYPASS" "$@"; fi
fi
exec chromium "$@"
