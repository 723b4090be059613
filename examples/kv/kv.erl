%% A key-value store as one would write it in plain Erlang: it knows nothing of HTTP or of the gateway.
-module(kv).
-behaviour(gen_server).

-export([start/0, start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% For `erl -s kv`: the server, registered as kv.
start() ->
    {ok, _} = gen_server:start({local, ?MODULE}, ?MODULE, [], []),
    ok.

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) ->
    {ok, #{}}.

handle_call({put, Key, Value}, _From, Map) ->
    {reply, ok, Map#{Key => Value}};
handle_call({get, Key}, _From, Map) ->
    case Map of
        #{Key := Value} -> {reply, {ok, Value}, Map};
        #{} -> {reply, {error, not_found}, Map}
    end;
handle_call(keys, _From, Map) ->
    {reply, maps:keys(Map), Map};
handle_call(_, _From, Map) ->
    {reply, {error, bad_request}, Map}.

handle_cast({put, Key, Value}, Map) ->
    {noreply, Map#{Key => Value}};
handle_cast({delete, Key}, Map) ->
    {noreply, maps:remove(Key, Map)};
handle_cast(_, Map) ->
    {noreply, Map}.

handle_info(_, Map) ->
    {noreply, Map}.
