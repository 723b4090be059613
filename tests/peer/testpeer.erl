%% The Erlang end of the tests: obeys the harness (peers.py) over standard input, and has a gen_server to talk to.
%%
%% A line in is "Id Base64", the base64 of Erlang expressions; each is evaluated in a process of its own, so that one
%% that waits holds nothing up. A line out is "@@ Id ok|error Base64". The end of input is the end of the node.
%% Compiled at run time by the node that runs it: only what OTP 23 to 29 have in common may stand here.
-module(testpeer).
-behaviour(gen_server).

-export([start/0, serve/1, serve/2, watch/1, downs/1, collect/1, reached/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([echo/1, fail/1, leave/1, killed/0, slow/1, crash_deep/0, note/2]).

%% ---- The line protocol

start() ->
    ok = io:setopts(standard_io, [binary, {encoding, latin1}]),
    io:put_chars("@@ 0 ok \n"),
    loop().

loop() ->
    case io:get_line("") of
        Line when is_binary(Line) ->
            [Id, Text] = binary:split(string:trim(Line), <<" ">>),
            spawn(fun() -> answer(Id, evaluate(base64:decode(Text))) end),
            loop();
        _ ->
            erlang:halt(0, [{flush, false}])
    end.

answer(Id, {Outcome, Value}) ->
    Text = case Value of
               {raw, Bytes} -> iolist_to_binary(Bytes);
               _ -> unicode:characters_to_binary(io_lib:format("~0tp", [Value]))
           end,
    io:put_chars(["@@ ", Id, " ", atom_to_list(Outcome), " ", base64:encode(Text), "\n"]).

evaluate(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
        {ok, Exprs} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Exprs, []),
        {ok, Value}
    catch
        Class:Reason:Stack -> {error, {Class, Reason, Stack}}
    end.

%% ---- A server. What it was cast and sent is kept, oldest first.

serve(Name) -> serve(Name, #{}).
serve(Name, Opts) ->
    {ok, Pid} = gen_server:start({local, Name}, ?MODULE, Opts, []),
    Pid.

init(Opts) -> {ok, Opts#{seen => [], held => []}}.

handle_call({echo, T}, _, S) -> {reply, T, S};
handle_call({sleep, Ms}, _, S) -> timer:sleep(Ms), {reply, slept, S};
handle_call({later, Ms, T}, From, S) ->
    spawn(fun() -> timer:sleep(Ms), gen_server:reply(From, T) end),
    {noreply, S};
%% Replied to, all at once, when `release` is cast.
handle_call({hold, T}, From, S = #{held := Held}) -> {noreply, S#{held := [{From, T} | Held]}};
%% Never replied to; how many there are, `asked` tells.
handle_call(never, _, S) -> {noreply, S#{asked => maps:get(asked, S, 0) + 1}};
handle_call(asked, _, S) -> {reply, maps:get(asked, S, 0), S};
handle_call(crash, _, _) -> erlang:error(crashed_as_asked);
handle_call({leave, Reason}, _, S) -> {stop, Reason, S};
handle_call({halt, Ms}, _, S) ->
    spawn(fun() -> timer:sleep(Ms), erlang:halt(0, [{flush, false}]) end),
    {noreply, S};
handle_call({bytes, N}, _, S) -> {reply, binary:copy(<<"x">>, N), S};
handle_call(whoami, _, S) -> {reply, self(), S};
handle_call(caller, {Pid, _}, S) -> {reply, Pid, S};
handle_call(seen, _, S = #{seen := Seen}) -> {reply, lists:reverse(Seen), S};
handle_call(forget, _, S) -> {reply, ok, S#{seen := []}};
handle_call(Other, _, S) -> {reply, {unknown, Other}, S}.

handle_cast(release, S = #{held := Held}) ->
    [gen_server:reply(From, T) || {From, T} <- lists:reverse(Held)],
    {noreply, S#{held := []}};
handle_cast(M, S = #{seen := Seen}) -> {noreply, S#{seen := [{cast, M} | Seen]}}.
handle_info(M, S = #{seen := Seen}) -> {noreply, S#{seen := [{info, M} | Seen]}}.

%% ---- For rpc

echo(T) -> T.
fail(Reason) -> erlang:error(Reason).
leave(Reason) -> exit(Reason).
%% Ended from outside.
killed() -> exit(self(), kill), receive never -> never end.
slow(Ms) -> timer:sleep(Ms), slept.
crash_deep() -> lists:map(fun(X) -> 1 div X end, [1, 0]).
%% rpc cast leaves its mark with a server.
note(Name, T) -> gen_server:cast(Name, T).

%% ---- Watching another node

%% From now on, count how often the node goes down.
watch(Node) ->
    Self = self(),
    spawn(fun() ->
                  register(list_to_atom("watch_" ++ atom_to_list(Node)), self()),
                  monitor_node(Node, true),
                  Self ! watching,
                  watching(Node, 0)
          end),
    receive watching -> ok end.

watching(Node, N) ->
    receive
        {nodedown, Node} -> watching(Node, N + 1);
        {count, To} -> To ! {count, N}, watching(Node, N)
    end.

downs(Node) ->
    list_to_atom("watch_" ++ atom_to_list(Node)) ! {count, self()},
    receive {count, N} -> N after 5000 -> timeout end.

%% All messages that come within Ms.
collect(Ms) ->
    receive M -> [M | collect(Ms)] after Ms -> [] end.

%% Waits until fun() is true, at most Ms.
reached(Fun, Ms) ->
    case Fun() of
        true -> true;
        _ when Ms =< 0 -> false;
        _ -> timer:sleep(20), reached(Fun, Ms - 20)
    end.
