"""A client of QEMU's monitor protocol for an event loop: commands go out, answers come to callbacks."""

import json


class Qmp:
    def __init__(self, socket):
        self.socket = socket
        self.buffer = b""
        self.waiting = {}
        self.removals = {}
        self.count = 0
        self.execute("qmp_capabilities")

    def execute(self, command, arguments=None, done=lambda error: None):
        """Sends `command`; `done(None)` or `done("what went wrong")` is called with its outcome."""
        self.count += 1
        self.waiting[self.count] = done
        request = {"execute": command, "arguments": arguments or {}, "id": self.count}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def remove_device(self, device, done):
        """device_del; done when the guest has let go of the device, not when it was asked to."""
        def asked(error):
            if error:
                del self.removals[device]
                done(error)

        self.removals[device] = done
        self.execute("device_del", {"id": device}, asked)

    def receive(self, data):
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.dispatch(json.loads(line))

    def dispatch(self, message):
        if "id" in message:
            self.waiting.pop(message["id"])(message.get("error", {}).get("desc"))
        elif message.get("event") == "DEVICE_DELETED":
            self.removals.pop(message["data"].get("device"), lambda error: None)(None)
