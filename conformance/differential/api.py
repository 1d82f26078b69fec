"""The management API as a scenario uses it: each request and its answer stand in the trace."""

import base64
import html
import http.client
import json
import urllib.parse

TIMEOUT_S = 20.0


def quoted(*parts):
    return "/api/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)


def call(address, method, path, body=None, user="guest"):
    """(status, answer): an object, or text that is no JSON."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    try:
        credentials = base64.b64encode(f"{user}:{user}".encode()).decode()
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {
            "authorization": f"Basic {credentials}",
            "content-type": "application/json",
        })
        answer = connection.getresponse()
        status, content = answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    try:
        return status, json.loads(content) if content else None
    except ValueError:
        return status, content


class Api:
    """What a session asks of its broker's API, and takes back at the end."""

    def __init__(self, broker, trace):
        self.address, self.trace = (broker.host, broker.api_port), trace
        self.undo = []

    def call(self, method, *parts, body=None, quiet=False):
        """Writes down the status, and the reason of a refusal."""
        path = quoted(*parts)
        status, answer = call(self.address, method, path, body)
        # Made anew or changed: the brokers need not agree on the code of a success.
        shown = "ok" if status // 100 == 2 else str(status)
        reason = answer.get("reason") if isinstance(answer, dict) else answer
        # One side escapes its texts for pages, and breaks lines.
        reason = " ".join(html.unescape(str(reason)).split())
        if not quiet or shown != "ok":
            given = "" if body is None else " " + json.dumps(body, sort_keys=True)
            self.trace.add(f"api > {method} {'/'.join(parts)}{given}")
            self.trace.add(f"api < {shown}" + ("" if shown == "ok" else f" {reason}"))
        return answer

    def put(self, *parts, body=None, **options):
        self.undo.append(parts)
        return self.call("PUT", *parts, body=body or {}, **options)

    def delete(self, *parts, **options):
        return self.call("DELETE", *parts, **options)

    def show(self, fields, *parts):
        """Writes down some fields of an object."""
        _, answer = call(self.address, "GET", quoted(*parts))
        found = {field: answer.get(field) for field in fields} if isinstance(answer, dict) else answer
        self.trace.add(f"api < {'/'.join(parts)}: {json.dumps(found, sort_keys=True)}")

    def policy(self, name, pattern, definition, operator=False, vhost="/", apply_to="all", priority=0, **options):
        kind = "operator-policies" if operator else "policies"
        body = {"pattern": pattern, "definition": definition, "apply-to": apply_to, "priority": priority}
        return self.put(kind, vhost, name, body=body, **options)

    def vhost(self, name):
        """A vhost of the scenario's own, in which guest may do everything."""
        self.put("vhosts", name, quiet=True)
        all_rights = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call("PUT", "permissions", name, "guest", body=all_rights, quiet=True)
        return name

    def clean(self):
        for parts in reversed(self.undo):
            call(self.address, "DELETE", quoted(*parts))
