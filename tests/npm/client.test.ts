// A client made from openapi.yaml runs the main operations against a real node. The compiler is the first test: what is
// called here has to be described. GATE is the gateway's URL, NODE a node on which `kv` of examples/kv runs.
import assert from "node:assert/strict";
import {test} from "node:test";

import createClient from "openapi-fetch";

import type {components, paths} from "./api.js";

type Term = components["schemas"]["term"];

const node = process.env.NODE ?? "kv@localhost";
const api = createClient<paths>({baseUrl: process.env.GATE ?? "http://127.0.0.1:4370"});
const kv = {path: {node, name: "kv"}};
const atom = (name: string): Term => ({$atom: name});
const tuple = (...elements: Term[]): Term => ({$tuple: elements});

test("a call", async () => {
    const put = await api.POST("/v1/nodes/{node}/processes/{name}/call", {params: kv, body: tuple(atom("put"), "colour", {red: 255})});
    assert.equal(put.response.status, 200);
    assert.equal(put.data, "ok");
    const got = await api.POST("/v1/nodes/{node}/processes/{name}/call", {params: {...kv, query: {unwrap: "ok"}}, body: tuple(atom("get"), "colour")});
    assert.deepEqual(got.data, {red: 255});
});

test("a reply that is an error, unwrapped", async () => {
    const got = await api.POST("/v1/nodes/{node}/processes/{name}/call", {params: {...kv, query: {unwrap: "ok"}}, body: tuple(atom("get"), "nothing")});
    assert.equal(got.response.status, 422);
    assert.equal(got.error, "not_found");
});

test("typed JSON", async () => {
    const got = await api.POST("/v1/nodes/{node}/processes/{name}/call", {
        params: kv, body: tuple(atom("get"), "nothing"), headers: {Accept: "application/vnd.erlang.typed+json"}, parseAs: "json",
    });
    assert.deepEqual(got.data, tuple(atom("error"), atom("not_found")));
});

test("a cast, and a message", async () => {
    const cast = await api.POST("/v1/nodes/{node}/processes/{name}/cast", {params: kv, body: tuple(atom("put"), "n", 1)});
    assert.equal(cast.response.status, 202);
    const sent = await api.POST("/v1/nodes/{node}/processes/{name}/send", {params: kv, body: "hello"});
    assert.equal(sent.response.status, 202);
    const got = await api.POST("/v1/nodes/{node}/processes/{name}/call", {params: {...kv, query: {unwrap: "ok"}}, body: tuple(atom("get"), "n")});
    assert.equal(got.data, 1);
});

test("a problem", async () => {
    const {error, response} = await api.POST("/v1/nodes/{node}/processes/{name}/call", {params: {path: {node, name: "nobody"}}, body: null});
    assert.equal(response.status, 404);
    assert.ok(error && typeof error === "object" && "code" in error);
    assert.equal(error.code, "noproc");
    assert.equal(error.sent, true);
    assert.equal(error.retryable, true);
});

test("nodes", async () => {
    const connected = await api.PUT("/v1/nodes/{node}", {params: {path: {node}}});
    assert.equal(connected.data?.state, "connected");
    const all = await api.GET("/v1/nodes");
    assert.ok(all.data?.nodes.some((n) => n.node === node));
    const pong = await api.GET("/v1/nodes/{node}/ping", {params: {path: {node}}});
    assert.equal(pong.data?.pong, true);
    const self = await api.GET("/v1/self");
    assert.match(self.data?.node ?? "", /@/);
});

test("a function", async () => {
    const call = (fn: string, ...args: Term[]) =>
        api.POST("/v1/nodes/{node}/rpc/{module}/{function}", {params: {path: {node, module: "lists", function: fn}}, body: args});
    assert.deepEqual((await call("reverse", [1, 2, 3])).data, [3, 2, 1]);
    const undef = await call("no_such_function");
    assert.equal(undef.response.status, 404);
    const failed = await call("nth", 5, [1]);
    assert.equal(failed.response.status, 502);
    assert.ok(failed.error && typeof failed.error === "object" && "class" in failed.error);
    assert.equal(failed.error.class, "error");
    assert.ok(Array.isArray(failed.error.stacktrace));
});

test("all names in the body", async () => {
    const keys = await api.POST("/v1/call", {body: {to: {node, name: "kv"}, request: atom("keys"), timeout: 2000}});
    assert.ok(Array.isArray(keys.data));
    const by_group = await api.POST("/v1/call", {body: {to: {scope: "pg", group: "workers", mode: "any"}, request: atom("keys")}});
    assert.equal(by_group.response.status, 200);
    const by_global = await api.POST("/v1/call", {body: {to: {global: "kv"}, request: atom("keys")}});
    assert.equal(by_global.response.status, 200);
});

test("a process of one's own, read as it is sent to", async () => {
    const made = await api.POST("/v1/processes", {body: {trap_exit: true}});
    assert.equal(made.response.status, 201);
    const {id, pid} = made.data ?? assert.fail();
    assert.equal(made.response.headers.get("Location"), `/v1/processes/${id}`);
    const sent = await api.POST("/v1/pids/{pid}/send", {params: {path: {pid}}, body: tuple(atom("hello"), 1)});
    assert.equal(sent.response.status, 202);
    const read = await api.GET("/v1/processes/{id}/events", {
        params: {path: {id}}, headers: {Accept: "application/x-ndjson"}, parseAs: "stream",
    });
    const lines = (read.data ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!/"event":"message".*\n/.test(text))
        text += (await lines.read()).value ?? "";
    await lines.cancel();
    const events: components["schemas"]["event"][] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(events.filter((e) => e.event !== "ping").map((e) => e.data), [{message: ["hello", 1]}]);
    const watched = await api.POST("/v1/processes/{id}/monitors", {params: {path: {id}}, body: {target: `/nodes/${node}/processes/kv`}});
    assert.equal(watched.response.status, 201);
    const looked = await api.GET("/v1/processes/{id}", {params: {path: {id}}});
    assert.equal(looked.data?.monitors?.length, 1);
    const ended = await api.DELETE("/v1/processes/{id}", {params: {path: {id}}});
    assert.equal(ended.response.status, 204);
    assert.equal((await api.GET("/v1/processes/{id}", {params: {path: {id}}})).response.status, 410);
});

test("health", async () => {
    assert.equal((await api.GET("/livez")).data?.status, "ok");
    assert.equal((await api.GET("/readyz", {params: {query: {verbose: ""}}})).data?.checks?.epmd_registered, "ok");
});

// GUARDED asks who it is that asks; TOKEN is good there.
type Refusal<Status extends 401 | 403 | 429> = paths["/v1/self"]["get"]["responses"][Status]["content"]["application/problem+json"];

test("who does not say who they are", async () => {
    const guarded = createClient<paths>({baseUrl: process.env.GUARDED ?? ""});
    const {error, response} = await guarded.GET("/v1/self");
    assert.equal(response.status, 401);
    const refusal: Refusal<401> = error as Refusal<401>;
    assert.equal(refusal.code, "unauthenticated");
    assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="erlgate"');
});

test("who does", async () => {
    const guarded = createClient<paths>({baseUrl: process.env.GUARDED ?? "", headers: {Authorization: `Bearer ${process.env.TOKEN}`}});
    const who = await guarded.GET("/v1/session");
    assert.equal(who.data?.by, "token");
    const made = await guarded.POST("/v1/session");
    assert.equal(made.response.status, 201);
    assert.equal(made.data?.principal, "anyone");
    assert.ok(Date.parse(made.data?.expires ?? "") > Date.now());
});

test("another site's page", async () => {
    const {error, response} = await api.GET("/v1/self", {headers: {Origin: "https://evil.example"}});
    assert.equal(response.status, 403);
    const refusal: Refusal<403> = error as Refusal<403>;
    assert.equal(refusal.code, "cross-site");
});
