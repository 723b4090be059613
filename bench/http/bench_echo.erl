%% A plain gen_server that gives back each request, and counts what is cast and sent: what is called through every gateway.
-module(bench_echo).
-behaviour(gen_server).
-export([start/0, init/1, handle_call/3, handle_cast/2, handle_info/2]).

start() -> {ok, _} = gen_server:start({local, echo}, ?MODULE, [], []), ok.

init([]) -> {ok, 0}.

handle_call(reset, _From, _Count) -> {reply, ok, 0};
handle_call(counted, _From, Count) -> {reply, Count, Count};
handle_call(Request, _From, Count) -> {reply, Request, Count}.

handle_cast(_Message, Count) -> {noreply, Count + 1}.

handle_info(_Message, Count) -> {noreply, Count + 1}.
