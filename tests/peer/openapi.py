"""The description of the API: a linter, a client made from it, and its own examples, against a real node.

What npm brings stands in NPM (build/npm), as tests/npm/package-lock.json says; ./run sees to it.
"""

import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.parse

import matrix
import peers
import schema
from peers import RELEASES, SLOWER, SOURCE, Curl, Failed, Gateway, Peer, check, equal, temporary_dir

NPM = pathlib.Path(os.environ.get("ERLGATE_NPM") or SOURCE / "build" / "npm")
DOCUMENT = SOURCE / "openapi" / "openapi.yaml"
GATE = Gateway()
BASE = f"http://127.0.0.1:{GATE.http.port}"
RELEASE = "27"


def tool(name, *argv, cwd=NPM, env=None, seconds=120):
    """A program that npm has brought."""
    program = NPM / "node_modules" / ".bin" / name
    check(program.exists(), program, "is missing: ./run test brings it")
    return run(program, *argv, cwd=cwd, env=env, seconds=seconds)


def run(*argv, cwd, env=None, seconds=120):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True,
                          timeout=seconds * SLOWER, check=False)
    equal(done.returncode, 0, f"{argv[0]}: {done.stdout[-3000:]}{done.stderr[-2000:]}")
    return done.stdout


def kv_node(release):
    """A node on which the key-value server of the quickstart runs."""
    there = temporary_dir()
    peer = Peer(release, "kv@localhost", GATE.epmd_port, GATE.cookie).ready()
    source = SOURCE / "examples" / "kv" / "kv"
    # The server is also known to global and a member of a group; the scope outlives who starts it.
    peer.eval(f'{{ok, kv}} = compile:file("{source}", [{{outdir, "{there}"}}]), code:add_path("{there}"), kv:start(), '
              "yes = global:register_name(kv, whereis(kv)), {ok, _} = pg:start(pg), ok = pg:join(workers, whereis(kv))")
    return peer


TOKEN, TOKEN_FILE = peers.token_for("anyone")
# Asks who it is that asks; only what is about that goes there.
GUARDED = Gateway(node="guarded@localhost", epmd="none", args=["--token-file", TOKEN_FILE])
KV = kv_node(RELEASE)
NUMBERS = itertools.count()
CURL = Curl(GATE.http.port)


def test_a_linter_finds_nothing():
    said = tool("redocly", "lint", "--format=json", "--max-problems=1000", str(DOCUMENT), env={"REDOCLY_TELEMETRY": "off"})
    found = json.loads(said[said.index("{"):said.rindex("}") + 1])
    equal(found["totals"], {"errors": 0, "warnings": 0, "ignored": 0}, json.dumps(found["problems"], indent=1)[:3000])


def test_it_is_served_as_JSON_and_as_YAML():
    as_yaml = GATE.http.get("/openapi.yaml")
    equal((as_yaml.status, as_yaml.type), (200, "application/yaml"), "yaml")
    equal(as_yaml.body, DOCUMENT.read_bytes(), "the document")
    as_json = GATE.http.get("/openapi.json")
    equal((as_json.status, as_json.type), (200, "application/json"), "json")
    equal(as_json.json["openapi"], "3.1.0", "openapi")
    for response, path in ((as_yaml, "/openapi.yaml"), (as_json, "/openapi.json")):
        tag = response.header("etag")
        check(tag and tag.startswith('W/"'), "ETag", tag)
        again = GATE.http.get(path, If_None_Match=tag)
        equal((again.status, again.body), (304, b""), "If-None-Match")
        equal(again.header("etag"), tag, "ETag of 304")
        equal(GATE.http.get(path, If_None_Match='"other"').status, 200, "another ETag")
        head = GATE.http.request("HEAD", path)
        equal((head.status, head.body, head.header("etag")), (200, b"", tag), "HEAD")


def test_a_client_made_from_it():
    """openapi-typescript makes the types, the compiler holds the calls to them, and they are made."""
    there = temporary_dir()
    for f in (SOURCE / "tests" / "npm").glob("*"):
        if f.suffix in (".ts", ".json"):
            shutil.copy(f, there)
    (there / "node_modules").symlink_to(NPM / "node_modules")
    tool("openapi-typescript", f"{BASE}/openapi.json", "-o", str(there / "api.ts"))
    shown = re.search(r"^```ts\n(.*?)^```", (SOURCE / "README.md").read_text(), re.M | re.S)[1]
    (there / "readme.ts").write_text(shown.replace("./erlgate.js", "./api.js").replace("http://localhost:4370", f"http://127.0.0.1:{GATE.http.port}"))
    tool("tsc", "-p", str(there))
    equal(run("node", there / "out" / "readme.js", cwd=there).split(), ["[", "'error',", "'not_found'", "]"], "what the README's client prints")
    print(run("node", "--test", there / "out" / "client.test.js", cwd=there,
              env={"GATE": BASE, "NODE": KV.node, "GUARDED": f"http://127.0.0.1:{GUARDED.http.port}", "TOKEN": TOKEN}))


# ---- Every operation is carried out as the document describes it


def resolved(document, node):
    return schema.look_up(document, node["$ref"]) if "$ref" in node else node


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                parameters = [resolved(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]
                yield method.upper(), path, operation, parameters


def request_bodies(document, operation):
    """(media type, body) for each example of a request; (None, None) for one without a body."""
    if "requestBody" not in operation:
        return [(None, None)]
    found = []
    for media, content in resolved(document, operation["requestBody"])["content"].items():
        for example in content.get("examples", {}).values():
            value = example["value"]
            if media.endswith("json"):
                faults = schema.faults(document, content["schema"], value)
                equal(faults, [], f"example of {operation['operationId']}")
                value = json.dumps(value)
            found.append((media, value))
    check(found, operation["operationId"], "has a body and no example of one")
    return found


def first_of_stream(path):
    """Status and type of what may never end, by a curl that is ended once there is content."""
    url = f"{BASE}{path}"
    curl = peers.spawn(["curl", "--silent", "--no-buffer", "--include", "--globoff", url], stdout=subprocess.PIPE)
    lines = []
    while not lines or lines[-1]:
        lines.append(curl.stdout.readline().decode().rstrip("\r\n"))
    check(curl.stdout.readline(), url, "has no content")
    peers.end(curl)
    types = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("content-type")]
    return int(lines[0].split()[1]), types[0].partition(";")[0] if types else None


def described(document, operation, status, media):
    """The schema that the document has for such a response; a test fails where it has none."""
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    check(response, operation["operationId"], "answers", status, "which is not described")
    content = resolved(document, response).get("content", {})
    if not media:
        return None
    check(media in content, operation["operationId"], "answers", status, "with", media, "which is not described")
    return content[media].get("schema", {})


def test_each_operation_does_what_its_description_says():
    """Each by curl, with each release in turn as kv@localhost. The table at the end has a row for each."""
    global KV
    complaints = []
    for release in RELEASES:
        # The processes that operations have made are in groups, and have names.
        for process in GATE.http.get("/v1/processes?limit=1000").json["processes"]:
            equal(GATE.http.delete(f"/v1/processes/{process['id']}").status, 204, "DELETE")
        KV.stop()
        KV = kv_node(release)
        document = GATE.http.get("/openapi.json").json
        done = 0
        for method, path, operation, parameters in operations(document):
            outcome = "yes"
            for media, body in request_bodies(document, operation):
                try:
                    carry_out(document, method, path, operation, parameters, media, body)
                except Failed as error:
                    outcome = "NO"
                    complaints.append(f"OTP {release}: {error}")
                done += 1
            matrix.note(f"{method} {path}", release, outcome)
        check(done >= len(document["paths"]), "only", done, "requests")
    check(not complaints, "\n".join(complaints[:10]))


def carry_out(document, method, path, operation, parameters, media, body):
    what = f"{method} {path} ({operation['operationId']})"
    values = PREPARED.get(operation["operationId"], dict)()
    body = json.dumps(values.pop("body")) if "body" in values else body
    for p in parameters:
        if p["in"] == "path" and p["name"] not in values:
            check("example" in p, what, "has no example of", p["name"])
            values[p["name"]] = p["example"]
    url = path
    for name, value in values.items():
        url = url.replace("{" + name + "}", urllib.parse.quote(value, safe="@:"))
    queries = {p["name"]: p["example"] for p in parameters if p["in"] == "query" and p.get("required")}
    url += "?" + urllib.parse.urlencode(queries, doseq=True) if queries else ""
    answers = resolved(document, operation["responses"].get("200", {})).get("content", {})
    if "text/event-stream" in answers:
        equal(first_of_stream(url), (200, "text/event-stream"), what)
        return
    headers = {"Content-Type": media} if media else {}
    if operation["operationId"] == "openSession":
        response = Curl(GUARDED.http.port).request(method, url, body, {**headers, "Authorization": f"Bearer {TOKEN}"})
    else:
        response = CURL.request(method, url, body, headers)
    wanted = min(int(s) for s in operation["responses"] if s.isdigit())
    equal(response.status, wanted, f"{what}: {response}")
    shape = described(document, operation, response.status, response.type)
    if shape is not None and response.type.endswith("json"):
        equal(schema.faults(document, shape, response.json), [], f"{what}: {response}")


# ---- What is not described is refused, in words that name it


def url_of(path, operation, parameters, more=()):
    """The operation's URL with the examples of its path, the parameters that it requires, and more."""
    values = PREPARED.get(operation["operationId"], dict)()
    for p in parameters:
        if p["in"] == "path" and p["name"] not in values:
            values[p["name"]] = p["example"]
    for name, value in values.items():
        path = path.replace("{" + name + "}", urllib.parse.quote(str(value), safe="@:"))
    given = [(p["name"], e) for p in parameters if p["in"] == "query" and p.get("required") for e in p["example"]] + list(more)
    return path + ("?" + urllib.parse.urlencode(given) if given else "")


def test_methods_are_those_that_are_described():
    document = GATE.http.get("/openapi.json").json
    for path, item in document["paths"].items():
        of_path = [o for o in operations(document) if o[1] == path]
        methods = {m for m, *_ in of_path}
        _, _, operation, parameters = of_path[0]
        url = url_of(path, operation, parameters).partition("?")[0]
        allowed = methods | ({"HEAD"} if "GET" in methods else set()) | {"OPTIONS"}
        answer = GATE.http.request("OPTIONS", url)
        equal((answer.status, set(answer.header("allow").replace(" ", "").split(","))), (204, allowed), f"OPTIONS {url}")
        # /v1/nodes/monitor is also a /v1/nodes/{node}, as far as its methods are concerned.
        others = {m for m, other, *_ in operations(document) if other != path and matches(other, url)}
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH"} - allowed - others:
            answer = GATE.http.request(method, url, "" if method != "GET" else None)
            peers.problem(answer, 405, "method-not-allowed", sent=False)
            equal(set(answer.header("allow").replace(" ", "").split(",")), allowed, f"Allow of {method} {url}")


def matches(pattern, url):
    """Is the URL's path one of that pattern?"""
    wanted, got = pattern.split("/"), url.split("/")
    return len(wanted) == len(got) and all(w == g or w.startswith("{") for w, g in zip(wanted, got))


def wrong_values(p):
    """Values of the wrong kind, or out of range, for a parameter of the query."""
    kind = p["schema"].get("type")
    if "enum" in p["schema"]:
        return ["bogus", ""]
    if kind == "integer":
        # A timeout that is too long is cut to what is allowed; what has no bound in the document has none to pass.
        return ["x", "-1", "1.5", ""] + [str(p["schema"][k] + d) for k, d in (("minimum", -1), ("maximum", 1)) if k in p["schema"]]
    return []


def test_parameters_that_are_wrong_are_named():
    document = GATE.http.get("/openapi.json").json
    tried = 0
    for method, path, operation, parameters in operations(document):
        media, body = request_bodies(document, operation)[0]
        headers = {"Content-Type": media} if media else {}
        queries = [p for p in parameters if p["in"] == "query"]
        cases = [(p["name"], [(p["name"], v)]) for p in queries for v in wrong_values(p)]
        cases += [(p["name"], [(p["name"], str(p["schema"].get("default", "1"))), (p["name"], "1")]) for p in queries
                  if p["schema"].get("type") != "array"]
        cases.append(("no_such_parameter", [("no_such_parameter", "1")]))
        for name, more in cases:
            url = url_of(path, operation, parameters, more)
            answer = GATE.http.request(method, url, body, headers)
            equal((answer.status, answer.json.get("code"), answer.json.get("parameter")), (400, "bad-parameter", name), f"{method} {url}")
            tried += 1
        if method in ("GET", "DELETE"):
            url = url_of(path, operation, parameters)
            answer = GATE.http.request(method, url, "{}", {"Content-Type": "application/json"})
            equal(answer.status, 400, f"{method} {url} with a body: {answer}")
    print(f"{tried} wrong parameters")


def test_HEAD_is_as_GET():
    document = GATE.http.get("/openapi.json").json
    for method, path, operation, parameters in operations(document):
        if method == "GET":
            url = url_of(path, operation, parameters)
            answer = GATE.http.request("HEAD", url, fresh=True)
            equal((answer.status, answer.body), (200, b""), f"HEAD {url}")


# ---- What an operation needs beside the examples of its parameters: a live pid, a process to end, a call to answer


def doomed():
    """A process to end, registered as such."""
    return KV.eval("P = spawn(fun() -> receive never -> ok end end), catch unregister(doomed), register(doomed, P), P") and {}


def pid_of(name):
    doomed()
    return {"pid": GATE.http.get(f"/v1/nodes/{KV.node}/processes/{name}").json["pid"]["$pid"]}


def mailbox():
    made = GATE.http.post("/v1/processes", "{}", "application/json")
    equal(made.status, 201, "POST /v1/processes")
    return {"id": made.json["id"]}


def tied(kind, target):
    box = mailbox()
    made = GATE.http.post(f"/v1/processes/{box['id']}/{kind}", {"target": target}, "application/json")
    equal(made.status, 201, f"{kind}: {made}")
    return {**box, kind[:-1]: made.json["id"]}


def called():
    """A mailbox with a call that waits."""
    name = f"clerk{next(NUMBERS)}"
    made = GATE.http.post("/v1/processes", {"name": name}, "application/json").json
    KV.start_eval(f"gen_server:call({{{name}, 'erlgate@localhost'}}, hello)")
    with socket.create_connection(("127.0.0.1", GATE.http.port), timeout=20 * SLOWER) as s:
        s.sendall(f"GET /v1/processes/{made['id']}/events HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode())
        got = b""
        while b'"event":"call"' not in got or not got.endswith(b"\n\r\n"):
            got += s.recv(4096)
    line = next(line for line in got.splitlines() if b'"event":"call"' in line)
    return {"id": made["id"], "call": json.loads(line)["data"]["call"]}


PREPARED = {
    "infoPid": lambda: pid_of("kv"), "callPid": lambda: pid_of("kv"), "castPid": lambda: pid_of("kv"), "sendPid": lambda: pid_of("kv"),
    "monitorPid": lambda: pid_of("kv"), "exitPid": lambda: pid_of("doomed"), "exit": doomed,
    "exitGlobal": lambda: KV.eval("P = spawn(fun() -> receive never -> ok end end), global:re_register_name(doomed, P)") and {"name": "doomed"},
    "exitGroup": lambda: KV.eval("ok = pg:join(doomed, spawn(fun() -> receive never -> ok end end))") and {"group": "doomed"},
    "exitName": lambda: {**doomed(), "name": "doomed"},
    "getProcess": mailbox, "endProcess": mailbox, "readMailbox": mailbox, "addMonitor": mailbox, "addGroup": mailbox,
    "addLink": lambda: {**mailbox(), "body": {"target": "/pids/" + pid_of("kv")["pid"]}},
    "removeMonitor": lambda: tied("monitors", f"/nodes/{KV.node}/processes/kv"),
    "removeLink": lambda: tied("links", "/pids/" + pid_of("kv")["pid"]),
    "removeGroup": lambda: tied("groups", "/groups/pg/workers"),
    "reply": called,
}


at_end = matrix.print_table
peers.main(globals())
