"""Says something to the user without being asked. SKILL.md beside this file says when. Written anew at every start."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--notice", action="store_true", help="a quiet line instead of a message")
parser.add_argument("--conversation", help="id of the conversation; by default the current or the newest one")
parser.add_argument("--id", help="an id of your own: said again with the same one, it is not repeated")
parser.add_argument("text", nargs="*", help="the text in Markdown; by default from standard input")
args = parser.parse_args()

event = {
    "role": "notice" if args.notice else "assistant",
    "content": " ".join(args.text) or sys.stdin.read(),
    "conversation_id": args.conversation,
    "event_id": args.id,
}
try:
    request = urllib.request.Request(
        os.environ["AGENT_STACK_CALLBACK_URL"]
        + "/api/internal/agents/"
        + os.environ["AGENT_STACK_AGENT_ID"]
        + "/event",
        data=json.dumps(event).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["AGENT_STACK_RUNNER_API_KEY"],
            "Content-Type": "application/json",
        },
    )
    # The router is asked directly, whatever proxies the environment names.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
        print("Said in conversation " + json.load(response)["conversation_id"])
except urllib.error.HTTPError as error:
    sys.exit("Not said: " + json.load(error)["detail"])
except KeyError as error:
    sys.exit("Not said: there is no variable " + error.args[0])
except OSError as error:
    sys.exit("Not said: " + str(error))
