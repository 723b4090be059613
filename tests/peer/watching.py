"""watching: a gateway and a node of each release, for tests of what is watched: who monitors what, and that it is over."""

from eventstream import EventStream
from peers import RELEASES, Gateway, Peer, check, equal, eventually, segment

gate = Gateway()


def peer(release):
    return Peer(release, f"a{release}@localhost", gate.epmd_port, gate.cookie,
                kernel={"connect_all": "false", "start_pg": "true"})


nodes = {release: peer(release) for release in RELEASES}
for _node in nodes.values():
    _node.ready()
    _node.eval("testpeer:serve(srv)")


def rpc_pid(node, name):
    """A pid as the gateway writes it."""
    return gate.http.get(f"/v1/nodes/{segment(node.node)}/processes/{segment(name)}").json["pid"]["$pid"]


def stream(path, **kw):
    return EventStream(gate.port, "/v1" + path, **kw)


def name_path(node, name):
    return f"/nodes/{segment(node.node)}/processes/{segment(name)}"


def shown(node, name):
    """As events call it."""
    return f"/nodes/{node.node}/processes/{segment(name)}"


def loner(node, name):
    """A process that ends as it is told to."""
    return node.eval(f"P = spawn(fun() -> register('{name}', self()), receive {{leave, R}} -> exit(R) end end), "
                     f"testpeer:reached(fun() -> whereis('{name}') =:= P end, 5000), pid_to_list(P)")


def watchers(node, name, by=gate):
    """How many processes of the gateway monitor it."""
    return int(node.eval(f"case whereis('{name}') of undefined -> -1; P -> "
                         f"length([W || W <- element(2, process_info(P, monitored_by)), node(W) =:= '{by.node}']) end"))


def watched(node, name, wanted, seconds=10, by=gate):
    """A monitor is there once its node has had the signal."""
    eventually(lambda: watchers(node, name, by) == wanted, f"{wanted} monitors of {name} at {node.node}", seconds)


def told(node, name, reason):
    """It ends with that reason, once it is monitored or linked: between two nodes nothing else says what comes first."""
    eventually(lambda: node.eval(
        f"lists:any(fun(P) -> is_pid(P) andalso node(P) =:= '{gate.node}' end, "
        f"lists:append([V || {{_, V}} <- process_info(whereis('{name}'), [links, monitored_by])]))") == "true", f"{name} is watched")
    node.eval(f"'{name}' ! {{leave, {reason}}}, ok")


def end_all():
    """Nothing is left of what tests have made."""
    for process in gate.http.get("/v1/processes?limit=1000").json["processes"]:
        equal(gate.http.delete(f"/v1/processes/{process['id']}").status, 204, "DELETE")
    for node in nodes.values():
        eventually(lambda: watchers(node, "srv") == 0, f"no monitors at {node.node}", 60)  # pylint: disable=cell-var-from-loop


def at_end():
    for node in nodes.values():
        node.stop()
    check(gate.is_alive(), "the gateway lives")
    gate.stop()
