"""What Schemathesis needs to know of the platform: how to log in, and ids that exist."""

import json
import os
import urllib.request

import schemathesis

GATEWAY = os.environ["GATEWAY_URL"]
# Some operations need a login of the last five minutes.
REFRESH_SECONDS = 240


def call(method, path, body=None, token=None):
    """The answer's body as JSON."""
    request = urllib.request.Request(GATEWAY + path, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None
    if body is not None:
        request.add_header("Content-Type", "application/json")
        data = json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=20) as answer:
        return json.loads(answer.read() or b"{}")


def log_in():
    """An administrator's access token."""
    credentials = {
        "identifier": os.environ["ADMIN_EMAIL"],
        "password": os.environ["ADMIN_PASSWORD"],
    }
    return call("POST", "/api/v1/auth/login", credentials)["access_token"]


def existing_ids():
    """An id of each kind that is there to be read, changed and deleted."""
    token = log_in()
    mark = os.urandom(8).hex()
    person = {"email": f"s{mark}@example.com", "password": f"Quittenbaum {mark} am Fluss"}
    user = call("POST", "/api/v1/users", person)["id"]
    role_body = {"name": f"r{mark}", "permissions": ["orders:read"]}
    role = call("POST", "/api/v1/roles", role_body, token)["id"]
    assignment_body = {"user_id": user, "role_id": role}
    assignment = call("POST", "/api/v1/role-assignments", assignment_body, token)["id"]
    session = call("GET", "/api/v1/sessions", token=token)["items"][0]["id"]
    audit_body = {
        "action": "schemathesis_began",
        "target_type": "user",
        "target_id": user,
        "outcome": "success",
    }
    audit = call("POST", "/api/v1/audits", audit_body, token)["id"]
    return {
        "administrator": call("GET", "/api/v1/users/me", token=token)["id"],
        "users": user,
        "roles": role,
        "role-assignments": assignment,
        "sessions": session,
        "audits": audit,
    }


IDS = existing_ids()

if os.environ.get("UD_WHO") == "administrator":

    @schemathesis.auth(refresh_interval=REFRESH_SECONDS)
    class Administrator:
        """Sends the administrator's token, and renews it."""

        def get(self, case, ctx):
            return log_in()

        def set(self, case, data, ctx):
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Every second id of the right form is one that exists."""
    value = (path_parameters or {}).get("id")
    if isinstance(value, str) and len(value) == 36 and value[-1] in "02468ace":
        kind = ctx.operation.path.removeprefix("/api/v1/").split("/")[0]
        if kind in IDS:
            path_parameters["id"] = IDS[kind]
    return path_parameters


@schemathesis.hook
def filter_path_parameters(ctx, path_parameters):
    """Nobody acts on the administrator who does all this."""
    return (path_parameters or {}).get("id") != IDS["administrator"]
