%% The key-value store as ./run shows it: started anew when it ends, and to be had by three names.
-module(kv_sup).
-behaviour(supervisor).

-export([start/0, start_kv/0]).
-export([init/1]).

%% For `erl -s kv_sup`, whose caller ends at once: it must not take the supervisor with it.
start() ->
    {ok, Sup} = supervisor:start_link(?MODULE, []),
    unlink(Sup),
    ok.

init([]) ->
    Kv = #{id => kv, start => {?MODULE, start_kv, []}},
    {ok, {#{intensity => 10, period => 1}, [Kv]}}.

%% kv here, a member of the group stores of pg where that runs (-kernel start_pg true, from OTP 23 on), and {kv, 1} of global,
%% which may not have heard yet that the one before has ended.
start_kv() ->
    {ok, Kv} = kv:start_link(),
    _ = [ok = pg:join(stores, Kv) || is_pid(whereis(pg))],
    yes = global:re_register_name({kv, 1}, Kv),
    {ok, Kv}.
