#!/bin/sh
# Like the first steps of the authors' image: the home belongs to the user `hermes`, which then runs the agent.
set -eu
chown -R hermes:hermes "$HERMES_HOME"
exec setpriv --reuid hermes --regid hermes --clear-groups hermes "$@"
