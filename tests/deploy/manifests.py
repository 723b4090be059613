"""docker/compose.yaml and docker/kubernetes.yaml: each key is one that there is, what must be said is said, and each is played: the
image and a real Erlang node, started with the commands, variables and secrets that stand there, in a network of their own."""

import ctypes
import os
import pathlib
import re
import subprocess
import sys

import yaml

import container
import peers
from container import Bare, Image, Podman, runs_podman
from peers import SOURCE, check, equal, eventually

if "ERLGATE_IN_NAMESPACE" not in os.environ:
    os.environ["ERLGATE_IN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
# Where containers find secrets and code; of this script alone, as all its mounts.
_libc = ctypes.CDLL(None, use_errno=True)
if _libc.mount(b"run", b"/run", b"tmpfs", 0, None) != 0:
    sys.exit(f"manifests.py: tmpfs at /run: {os.strerror(ctypes.get_errno())}")

COMPOSE = yaml.safe_load((SOURCE / "docker/compose.yaml").read_text())
KUBERNETES = {d["kind"]: d for d in yaml.safe_load_all((SOURCE / "docker/kubernetes.yaml").read_text())}
image = Image()


# ---- Keys ------------------------------------------------------------------------------------------------------------

# What may stand where: a type, a list of one, a mapping of keys, or {"*": of any key}.
SERVICE = {
    "image": str, "build": {"context": str, "dockerfile": str}, "init": bool, "command": [str], "volumes": [str], "secrets": [str], "restart": str,
    "network_mode": str, "environment": {"*": str}, "read_only": bool, "cap_drop": [str], "security_opt": [str], "stop_grace_period": str,
    "mem_limit": str, "profiles": [str], "depends_on": {"*": {"condition": str}}, "ports": [str],
}
COMPOSE_KEYS = {"name": str, "services": {"*": SERVICE}, "secrets": {"*": {"file": str}}}

PROBE = {"httpGet": {"path": str, "port": str}, "periodSeconds": int, "failureThreshold": int, "timeoutSeconds": int}
SECCOMP = {"type": str}
CONTAINER = {
    "name": str, "image": str, "restartPolicy": str, "command": [str], "args": [str],
    "env": [{"name": str, "value": str, "valueFrom": {"fieldRef": {"fieldPath": str}}}],
    "ports": [{"name": str, "containerPort": int}],
    "startupProbe": PROBE, "livenessProbe": PROBE, "readinessProbe": PROBE,
    "lifecycle": {"preStop": {"sleep": {"seconds": int}}},
    "resources": {"requests": {"cpu": str, "memory": str}, "limits": {"memory": str}},
    "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool, "runAsNonRoot": bool,
                        "capabilities": {"drop": [str]}, "seccompProfile": SECCOMP},
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
}
POD = {
    "automountServiceAccountToken": bool, "terminationGracePeriodSeconds": int,
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int, "seccompProfile": SECCOMP},
    "initContainers": [CONTAINER], "containers": [CONTAINER],
    "volumes": [{"name": str, "secret": {"secretName": str, "defaultMode": int}, "configMap": {"name": str}, "emptyDir": dict}],
}
METADATA = {"name": str, "labels": {"*": str}, "annotations": {"*": str}}
KUBERNETES_KEYS = {
    "Deployment": {"apiVersion": str, "kind": str, "metadata": METADATA,
                   "spec": {"replicas": int, "selector": {"matchLabels": {"*": str}}, "template": {"metadata": METADATA, "spec": POD}}},
    "ConfigMap": {"apiVersion": str, "kind": str, "metadata": METADATA, "data": {"*": str}},
}


def fits(value, shape, where):
    if isinstance(shape, dict):
        check(isinstance(value, dict), where, "is no mapping")
        for key, inner in value.items():
            check(key in shape or "*" in shape, f"{where} has no key", key)
            fits(inner, shape.get(key, shape.get("*")), f"{where}.{key}")
    elif isinstance(shape, list):
        check(isinstance(value, list), where, "is no list")
        for i, inner in enumerate(value):
            fits(inner, shape[0], f"{where}[{i}]")
    else:
        check(type(value) is shape, f"{where} is {value!r}, and no", shape.__name__)


def test_each_key_is_one_that_there_is_and_each_value_of_its_kind():
    fits(COMPOSE, COMPOSE_KEYS, "compose.yaml")
    equal(set(KUBERNETES), set(KUBERNETES_KEYS), "kinds")
    for kind, document in KUBERNETES.items():
        fits(document, KUBERNETES_KEYS[kind], f"kubernetes.yaml: {kind}")


# ---- What must be said -----------------------------------------------------------------------------------------------

POD_SPEC = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
SIDECAR = POD_SPEC["initContainers"][0]
APPLICATION = POD_SPEC["containers"][0]


def stop_timeout():
    """Milliseconds, that calls may go on."""
    said = subprocess.run([peers.BIN / "erlgate", "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"--stop-timeout MS\s+[^\[]*\[(\d+)\]", said).group(1))


def test_doors_are_shut():
    gate = COMPOSE["services"]["erlgate"]
    check("ERLGATE_INSECURE" not in gate["environment"], "whoever asks is let in")
    equal((gate["read_only"], gate["cap_drop"], gate["security_opt"]), (True, ["ALL"], ["no-new-privileges:true"]), "compose")
    check("ERLGATE_COOKIE" not in gate["environment"], "the cookie is no variable")
    equal(POD_SPEC["securityContext"]["runAsUser"], int(image.config["User"].split(":")[0]), "runAsUser, and the image's")
    equal(POD_SPEC["automountServiceAccountToken"], False, "a token of the cluster's that nobody needs")
    for one in (SIDECAR, APPLICATION):
        context = one["securityContext"]
        equal((context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"], context["runAsNonRoot"], context["capabilities"]["drop"],
               context["seccompProfile"]["type"]), (False, True, True, ["ALL"], "RuntimeDefault"), f"securityContext of {one['name']}")
        check(all(v["readOnly"] for v in one["volumeMounts"] if v["mountPath"] != "/tmp"), "mounts of", one["name"])


def test_a_stop_outlasts_the_calls_that_wait():
    seconds = int(re.fullmatch(r"(\d+)s", COMPOSE["services"]["erlgate"]["stop_grace_period"]).group(1))
    check(seconds * 1000 > stop_timeout(), "stop_grace_period", seconds)
    pre_stop = SIDECAR["lifecycle"]["preStop"]["sleep"]["seconds"]
    check(POD_SPEC["terminationGracePeriodSeconds"] * 1000 > pre_stop * 1000 + stop_timeout(), "terminationGracePeriodSeconds")


def test_a_native_sidecar_with_its_probes_and_what_it_names_is_there():
    version = re.search(r"^project\(erlgate VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]
    equal(SIDECAR["image"], f"erlgate:{version}", "the image that ./run image tags")
    equal(SIDECAR["restartPolicy"], "Always", "what makes it a sidecar")
    ports = {p["name"]: p["containerPort"] for p in SIDECAR["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        check(SIDECAR[probe]["httpGet"]["port"] in ports, f"port of {probe}")
    template = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]
    equal(KUBERNETES["Deployment"]["spec"]["selector"]["matchLabels"], template["labels"], "selector")
    equal(template["annotations"]["prometheus.io/port"], str(ports["erlgate-admin"]), "Prometheus' port")
    volumes = {v["name"] for v in POD_SPEC["volumes"]}
    for one in (SIDECAR, APPLICATION):
        check({v["name"] for v in one["volumeMounts"]} <= volumes, f"volumes of {one['name']}")
    equal(KUBERNETES["ConfigMap"]["metadata"]["name"], next(v["configMap"]["name"] for v in POD_SPEC["volumes"] if "configMap" in v), "ConfigMap")
    equal(KUBERNETES["ConfigMap"]["data"]["kv.erl"], (SOURCE / "examples/kv/kv.erl").read_text(), "examples/kv/kv.erl in the ConfigMap")


# ---- Played ----------------------------------------------------------------------------------------------------------


def put(path, text, mode=0o444):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def gate_container(**kw):
    return (Podman if runs_podman() else Bare)(image, **kw).start()


def application(argv, env):
    """As in an image with Erlang in it."""
    home = peers.temporary_dir()
    env = {"PATH": f"{peers.OTP}/27/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "ERL_CRASH_DUMP_SECONDS": "0", **env}
    return peers.spawn(argv, env=env, stdin=subprocess.DEVNULL, stdout=open(home / "stdout", "wb"), stderr=open(home / "stderr", "wb"))


def epmd_ends():
    """Once its nodes have gone."""
    subprocess.run([peers.BIN / "erlgate-epmd", "-kill"], capture_output=True, check=False)
    return not peers.accepts(4369)


def answers(url):
    return subprocess.run(["curl", "-fsS", "-o", "/dev/null", "--max-time", "3", url], capture_output=True, timeout=10, check=False).returncode == 0


def succeeds(argv, wanted):
    """Until it does, for a node may only just have begun."""
    def look():
        done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
        look.said = f"{done.stdout.decode()} {done.stderr.decode()}"
        return done.returncode == 0 and done.stdout.decode().strip() == wanted
    try:
        eventually(look, f"{' '.join(argv)} prints {wanted}", 20)
    except peers.Failed as error:
        raise peers.Failed(f"{error}: {look.said}") from None


def test_the_composition_is_played_and_its_curl_works():
    services = COMPOSE["services"]
    home = peers.temporary_dir()
    (home / "secrets").mkdir()
    made = subprocess.run([peers.BIN / "erlgate", "token", "example"], capture_output=True, text=True, check=True)
    for name, text in (("cookie", peers.fresh_cookie()), ("token", made.stdout), ("tokens", made.stderr)):
        put(home / "secrets" / name, text)
    files = {name: home / secret["file"] for name, secret in COMPOSE["secrets"].items()}
    put("/run/secrets/cookie", files["cookie"].read_text())
    for volume in services["kv"]["volumes"]:
        source, target, mode = volume.split(":")
        equal(mode, "ro", volume)
        put(target, (SOURCE / "docker" / source).read_text())
    kv = application([word.replace("$$", "$") for word in services["kv"]["command"]], {})
    equal(services["erlgate"]["network_mode"], "service:kv", "the gateway's network")
    equal(services["kv"]["ports"], ["127.0.0.1:4370:4370"], "what is published, and where")
    gate = gate_container(env=services["erlgate"]["environment"],
                          mounts={f"/run/secrets/{name}": files[name] for name in services["erlgate"]["secrets"]})
    eventually(lambda: gate.proc.poll() is not None or gate.health() == 0, "the gateway is healthy", 20)
    check(gate.proc.poll() is None, "the gateway ended:", gate.said())
    line = re.search(r"^#   (curl .*)$", (SOURCE / "docker/compose.yaml").read_text(), re.M).group(1)
    succeeds(["sh", "-c", f"cd {home} && {line} --silent --show-error --fail-with-body"], '"ok"')
    check(not answers("http://127.0.0.1:4370/v1/nodes"), "without a token it is answered")
    equal(gate.terminate(), 0, f"exit status after SIGTERM: {gate.said()}")
    peers.end(kv)
    eventually(epmd_ends, "the EPMD that erl has started ends")


def test_the_pod_is_played_its_sidecar_first():
    ip = "127.0.0.1"

    def environment(one):
        env = {}
        for variable in one.get("env", []):
            source = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            equal(source, "status.podIP" if source else None, "fieldRef")
            env[variable["name"]] = ip if source else re.sub(r"\$\((\w+)\)", lambda m: env[m.group(1)], variable["value"])
        return env

    cookie = put("/run/secrets/erlang/cookie", peers.fresh_cookie())
    for name, text in KUBERNETES["ConfigMap"]["data"].items():
        put(f"/run/kv/{name}", text)
    admin = {p["name"]: p["containerPort"] for p in SIDECAR["ports"]}["erlgate-admin"]

    def probe(which):
        return answers(f"http://{ip}:{admin}{SIDECAR[which]['httpGet']['path']}")

    gate = gate_container(env=environment(SIDECAR), mounts={"/run/secrets/erlang/cookie": cookie})
    startup = SIDECAR["startupProbe"]
    eventually(lambda: gate.proc.poll() is not None or probe("startupProbe"), "the sidecar has started",
               startup["periodSeconds"] * startup["failureThreshold"])
    check(gate.proc.poll() is None, "the gateway ended:", gate.said())
    kv = application(APPLICATION["command"] + APPLICATION["args"], environment(APPLICATION))
    eventually(lambda: probe("readinessProbe") and probe("livenessProbe"), "the sidecar is ready")
    listen = environment(SIDECAR)["ERLGATE_LISTEN"]
    succeeds(["curl", "-sS", "-H", "Content-Type: text/x-erlang", "-H", "Accept: text/x-erlang", "-d", '{put, <<"colour">>, blue}',
              f"http://{listen}/v1/nodes/kv@{ip}/processes/kv/call"], "ok")
    annotations = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    check(answers(f"http://{ip}:{annotations['prometheus.io/port']}{annotations['prometheus.io/path']}"), "Prometheus is answered")
    check(not answers(f"http://{ip}:{admin}/v1/nodes"), "the admin's port serves the API")
    equal(gate.terminate(), 0, f"exit status after SIGTERM: {gate.said()}")
    peers.end(kv)


def at_end():
    container.remove_all()


peers.main(globals(), limit=90)
