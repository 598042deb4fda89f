#!/usr/bin/env python3
"""A bot in a page: answers every text of a contact with the same words.

    session daemon &
    client/daemon/echo_bot.py

It uses nothing but two commands: `session events`, which prints one JSON
object per line, and `session reply`. They work without the daemon, too, but
then one at a time has the account. `SESSION` names another program, and
`SESSION_DATA_DIR` another account.
"""

import json
import os
import subprocess

SESSION = os.environ.get("SESSION", "session")


def main():
    events = subprocess.Popen([SESSION, "events"], stdout=subprocess.PIPE)
    for line in events.stdout:
        event = json.loads(line)
        if event["event"] != "message" or not event["message"]["text"]:
            continue
        message = event["message"]
        # The text goes through standard input: it may look like an option.
        subprocess.run([SESSION, "reply", str(message["row"]), "-"],
                       input=("You said: " + message["text"]).encode(),
                       stdout=subprocess.DEVNULL, check=False)
    return events.wait()


if __name__ == "__main__":
    raise SystemExit(main())
