%% The gateway that one writes by hand: Cowboy, OTP's own JSON, gen_server:call to another node.
-module(bench_gate).
-export([start/2, init/2]).

start(Port, Node) ->
    {ok, _} = application:ensure_all_started(cowboy),
    Dispatch = cowboy_router:compile([{'_', [{"/call", ?MODULE, Node}]}]),
    {ok, _} = cowboy:start_clear(gate, #{socket_opts => [{ip, {127, 0, 0, 1}}, {port, Port}], max_connections => infinity},
                                 #{env => #{dispatch => Dispatch}, max_keepalive => infinity}),
    ok.

init(Request, Node) ->
    {ok, Body, Request1} = cowboy_req:read_body(Request),
    Reply = gen_server:call({echo, Node}, json:decode(Body), 5000),
    {ok, cowboy_req:reply(200, #{<<"content-type">> => <<"application/json">>}, json:encode(Reply), Request1), Node}.
