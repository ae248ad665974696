#!/bin/sh
# Chromium for an agent. A profile whose last browser was killed stays locked, and each new container has other
# processes: the lock goes unless the process it names is a browser. CHROMIUM_PROXY and CHROMIUM_PROXY_BYPASS are passed on.
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
