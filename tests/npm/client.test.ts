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

test("health", async () => {
    assert.equal((await api.GET("/livez")).data?.status, "ok");
    assert.equal((await api.GET("/readyz", {params: {query: {verbose: ""}}})).data?.checks?.epmd_registered, "ok");
});
