%% The gateway that one writes by hand: Cowboy, OTP's own JSON, and what Erlang has to reach another node.
-module(bench_gate).
-export([start/2, init/2]).

start(Port, Node) ->
    {ok, _} = application:ensure_all_started(cowboy),
    Routes = [{"/" ++ atom_to_list(Verb), ?MODULE, {Verb, Node}} || Verb <- [call, cast, send, rpc]],
    {ok, _} = cowboy:start_clear(gate, #{socket_opts => [{ip, {127, 0, 0, 1}}, {port, Port}], max_connections => infinity},
                                 #{env => #{dispatch => cowboy_router:compile([{'_', Routes}])}, max_keepalive => infinity}),
    ok.

init(Request, {Verb, Node} = State) ->
    {ok, Body, Request1} = cowboy_req:read_body(Request),
    {ok, answer(perform(Verb, Node, json:decode(Body)), Request1), State}.

perform(call, Node, Term) -> {200, gen_server:call({echo, Node}, Term, 5000)};
perform(rpc, Node, Args) -> {200, erpc:call(Node, lists, reverse, Args, 5000)};
perform(cast, Node, Term) -> gen_server:cast({echo, Node}, Term), 202;
perform(send, Node, Term) -> {echo, Node} ! Term, 202.

answer({Status, Term}, Request) ->
    cowboy_req:reply(Status, #{<<"content-type">> => <<"application/json">>}, json:encode(Term), Request);
answer(Status, Request) ->
    cowboy_req:reply(Status, Request).
