"""What the client scripts share: named steps, and a way to see that something is refused."""

import json
import sys
import time
import urllib.request

SYMBOL = "ETHUSDC"


class Steps:
    """Counts named steps; each one is printed, so that a failure says where it happened."""

    def __init__(self, client):
        self.client = client
        self.count = 0

    def done(self, name):
        self.count += 1
        print(f"ok {self.count} {self.client}: {name}", flush=True)


def expect(condition, what):
    """Ends the script with a message unless the condition holds."""
    if not condition:
        frame = sys._getframe(1)
        sys.exit(f"FAILED at {frame.f_code.co_filename}:{frame.f_lineno}: {what!r}")


def refused(code, call):
    """The call must fail, and the failure must name the venue's code."""
    try:
        result = call()
    except Exception as error:  # every client has its own classes
        expect(str(code) in str(error) or str(code) in repr(vars(error)), (code, error))
        return error
    sys.exit(f"FAILED: expected {code}, got {result!r}")


def control(address, path, body=None):
    """One request to the control port."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def away(price, share):
    """A price on the tick grid, this share away."""
    return round(price * (1 + share), 2)


def until(what, condition, seconds=10):
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    sys.exit(f"FAILED: {what} did not happen within {seconds} s")
