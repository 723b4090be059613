/*
 * metrics_table: every family of /metrics: its name, kind and what it says. docs/metrics.md has each of them.
 *
 * X(symbol, name, kind, help). Names are erlgate_…, in base units; process_… are as every client library has
 * them.
 */
#ifndef ERLGATE_BRIDGE_METRICS_TABLE_H
#define ERLGATE_BRIDGE_METRICS_TABLE_H

#define METRICS_HTTP_TABLE(X)                                                                             \
    X(HTTP_REQUESTS, "erlgate_http_requests_total", COUNTER,                                              \
      "Requests that are over, by route template, method and status; gone: the client left before its "   \
      "answer.")                                                                                          \
    X(HTTP_DURATION, "erlgate_http_request_duration_seconds", HISTOGRAM,                                  \
      "From a request's first line to the last byte of its answer; event streams are left out.")          \
    X(HTTP_REQUEST_BYTES, "erlgate_http_request_body_bytes_total", COUNTER,                               \
      "Bytes of request bodies, by route template.")                                                      \
    X(HTTP_RESPONSE_BYTES, "erlgate_http_response_body_bytes_total", COUNTER,                             \
      "Bytes of answers' bodies as sent, by route template; of event streams too.")                       \
    X(HTTP_PROBLEMS, "erlgate_http_problems_total", COUNTER,                                              \
      "Requests that were answered with a problem, by its code.")                                         \
    X(HTTP_IN_FLIGHT, "erlgate_http_requests_in_flight", GAUGE, "Requests that wait for their answer.")   \
    X(HTTP_IN_FLIGHT_LIMIT, "erlgate_http_requests_in_flight_limit", GAUGE,                               \
      "As many may wait: --max-in-flight.")                                                               \
    X(HTTP_CONNECTIONS, "erlgate_http_connections", GAUGE, "Connections of clients that are open.")       \
    X(HTTP_CONNECTIONS_LIMIT, "erlgate_http_connections_limit", GAUGE,                                    \
      "As many may be open: --max-connections, or what the descriptors of the process leave room for.")   \
    X(HTTP_CONNECTIONS_OPENED, "erlgate_http_connections_opened_total", COUNTER,                          \
      "Connections that clients have opened.")                                                            \
    X(HTTP_BODY_BYTES, "erlgate_http_body_bytes", GAUGE, "Bytes of bodies that are being read.")          \
    X(HTTP_BODY_BYTES_LIMIT, "erlgate_http_body_bytes_limit", GAUGE,                                      \
      "As many bytes of bodies may be read at once: beyond, large ones are refused.")                     \
    X(HTTP_ANSWER_BYTES, "erlgate_http_answer_bytes", GAUGE,                                              \
      "Bytes of large answers that are being sent.")                                                      \
    X(HTTP_ANSWER_BYTES_LIMIT, "erlgate_http_answer_bytes_limit", GAUGE,                                  \
      "As many may be sent at once: beyond, slow ones are cut off.")                                      \
    X(HTTP_TLS, "erlgate_http_tls_handshakes_total", COUNTER,                                             \
      "TLS handshakes of HTTPS, by result: done or failed.")                                              \
    X(HTTP_CUT_OFF, "erlgate_http_cut_off_total", COUNTER,                                                \
      "Clients that were cut off: slow with a request, idle in taking an answer, or slow in it when "     \
      "others want the room.")                                                                            \
    X(HTTP_MALFORMED, "erlgate_http_malformed_total", COUNTER,                                            \
      "Requests whose framing could not be trusted; their connections were closed.")                      \
    X(HTTP_THREAD_REQUESTS, "erlgate_http_thread_requests_total", COUNTER,                                \
      "Requests that are over, by the thread their connections belong to: 0 is the owner, then workers.") \
    X(HTTP_THREAD_CONNECTIONS, "erlgate_http_thread_connections", GAUGE,                                  \
      "Connections that are open, by the thread they belong to.")                                         \
    X(HTTP_THREAD_LENT, "erlgate_http_thread_lent_total", COUNTER,                                        \
      "Requests that a worker has lent to the owner, who has what they are about.")                       \
    X(LIMITS, "erlgate_limit_refusals_total", COUNTER, "What limits have refused, by the limit's name.")

#define METRICS_WHO_TABLE(X)                                                                                \
    X(AUTH_ADMITTED, "erlgate_auth_admitted_total", COUNTER,                                                \
      "Requests whose sender is known, by how that was found out; nothing: nobody is asked.")               \
    X(AUTH_REFUSED, "erlgate_auth_refusals_total", COUNTER, "Requests that were answered 401, by why.")     \
    X(AUTH_SIGNATURES, "erlgate_auth_jwts_total", COUNTER,                                                  \
      "JWTs that were good: verified, or known to be good.")                                                \
    X(AUTH_SESSIONS, "erlgate_auth_sessions", GAUGE, "Sessions of browsers, some of them perhaps expired.") \
    X(AUTH_SESSIONS_CHANGES, "erlgate_auth_session_changes_total", COUNTER,                                 \
      "Sessions opened, and ended by their owners.")                                                        \
    X(POLICY_DENIED, "erlgate_policy_denied_total", COUNTER,                                                \
      "Requests that the policy has denied (403), by operation, in the policy's words.")                    \
    X(LINKS_REFUSED, "erlgate_links_refused_total", COUNTER,                                                \
      "Links that the policy's nodes have not let be made, ours and those of other nodes.")

#define METRICS_CALLS_TABLE(X)                                                                        \
    X(CALLS, "erlgate_calls_total", COUNTER,                                                          \
      "What was asked of the gateway, by operation and outcome: ok, the code of a problem, or gone.") \
    X(CALL_DURATION, "erlgate_call_duration_seconds", HISTOGRAM,                                      \
      "How long operations took, whatever came of them; event streams are left out.")                 \
    X(CALLS_WAITING, "erlgate_calls_in_flight", GAUGE,                                                \
      "Requests to processes of other nodes that wait for their answer or their link.")               \
    X(LATE_REPLIES, "erlgate_late_replies_total", COUNTER,                                            \
      "Replies that came after their call had ended, and were dropped.")                              \
    X(UNKNOWN_DROPPED, "erlgate_unknown_messages_total", COUNTER,                                     \
      "Messages to processes that do not exist, which were dropped.")                                 \
    X(TRANSCODER, "erlgate_transcoder_bytes_total", COUNTER,                                          \
      "Bytes that were turned into terms (direction in) and out of them, each as text and as term.")  \
    X(ATOMS, "erlgate_atoms_introduced", GAUGE, "Atoms that HTTP has introduced into the cluster.")   \
    X(ATOMS_BUDGET, "erlgate_atoms_budget", GAUGE, "As many may HTTP introduce: --atom-budget.")

#define METRICS_STREAMS_TABLE(X)                                                                          \
    X(STREAMS, "erlgate_streams", GAUGE, "Event streams that are open, those too that nobody reads now.") \
    X(STREAMS_LIMIT, "erlgate_streams_limit", GAUGE, "As many may be open.")                              \
    X(STREAM_READERS, "erlgate_stream_readers", GAUGE, "Requests that read an event stream.")             \
    X(STREAM_BYTES, "erlgate_stream_bytes", GAUGE, "Bytes of events that are kept for readers.")          \
    X(STREAM_BYTES_LIMIT, "erlgate_stream_bytes_limit", GAUGE,                                            \
      "As many bytes may be kept: beyond, each stream keeps less.")                                       \
    X(STREAM_EVENTS, "erlgate_stream_events_total", COUNTER, "Events of all streams.")                    \
    X(STREAM_LOST, "erlgate_stream_events_lost_total", COUNTER,                                           \
      "Events that left a stream before they were sent to any reader.")                                   \
    X(STREAM_GAPS, "erlgate_stream_gaps_total", COUNTER,                                                  \
      "Times that a reader was told that events are missing.")                                            \
    X(PROCESSES, "erlgate_processes", GAUGE,                                                              \
      "Erlang processes of this node: its own, those of clients, and one for each call.")                 \
    X(INBOXES, "erlgate_client_processes", GAUGE, "Processes that clients have made and keep.")           \
    X(INBOXES_LIMIT, "erlgate_client_processes_limit", GAUGE, "As many may they keep.")                   \
    X(TIES, "erlgate_ties", GAUGE, "Monitors, links and memberships of groups that clients hold.")

#define METRICS_NODE_TABLE(X)                                                                               \
    X(LINKS, "erlgate_links", GAUGE, "Links to other nodes, by state.")                                     \
    X(LINKS_UP, "erlgate_links_up_total", COUNTER, "Links that came up, by who dialled: us or them.")       \
    X(LINKS_DOWN, "erlgate_links_down_total", COUNTER, "Links that were up and ended, by reason.")          \
    X(LINKS_FAILED, "erlgate_links_failed_total", COUNTER, "Links that did not come up, by reason.")        \
    X(DIST_BYTES, "erlgate_dist_bytes_total", COUNTER, "Bytes over all links, those too that have ended.")  \
    X(DIST_MESSAGES, "erlgate_dist_messages_total", COUNTER, "Messages over all links, without ticks.")     \
    X(DIST_TICKS, "erlgate_dist_ticks_total", COUNTER, "Ticks over all links.")                             \
    X(DIST_QUEUE, "erlgate_dist_queue_bytes", GAUGE, "Bytes that wait to be written, of all links.")        \
    X(SIGNALS_LOST, "erlgate_signals_lost_total", COUNTER,                                                  \
      "Signals of processes here that could not be sent, and that nobody waits for.")                       \
    X(LINK_UP, "erlgate_link_up", GAUGE,                                                                    \
      "Is there a link to that node? Of those that are up, and of those that the configuration names.")     \
    X(LINK_BYTES, "erlgate_link_bytes_total", COUNTER,                                                      \
      "Bytes over the link to that node, since it came up.")                                                \
    X(LINK_MESSAGES, "erlgate_link_messages_total", COUNTER,                                                \
      "Messages over the link to that node, without ticks.")                                                \
    X(LINK_TICKS, "erlgate_link_ticks_total", COUNTER, "Ticks over the link to that node.")                 \
    X(LINK_QUEUE, "erlgate_link_queue_bytes", GAUGE, "Bytes that wait to be written to that node.")         \
    X(LINK_QUEUE_LIMIT, "erlgate_link_queue_limit_bytes", GAUGE,                                            \
      "As many bytes may wait for one node: beyond, what is to be sent to it is refused.")                  \
    X(LINK_CALLS, "erlgate_link_calls_in_flight", GAUGE,                                                    \
      "Requests to that node that wait for their answer.")                                                  \
    X(NODES_KNOWN, "erlgate_nodes_known", GAUGE, "Nodes that were heard of, connected or not.")             \
    X(SERIES_DROPPED, "erlgate_metrics_dropped_series_total", COUNTER,                                      \
      "Series that were left out of an answer of /metrics, for there are more nodes than it has room for.") \
    X(EPMD_REGISTERED, "erlgate_epmd_registered", GAUGE, "Is this node registered with EPMD?")              \
    X(EPMD_INFO, "erlgate_epmd_info", GAUGE,                                                                \
      "Which EPMD this node uses, by mode: embedded, external or none.")                                    \
    X(EPMD_NAMES, "erlgate_epmd_names", GAUGE, "Names that the embedded EPMD holds.")

#define METRICS_SELF_TABLE(X)                                                                          \
    X(READY, "erlgate_ready", GAUGE, "Is it registered and taking requests?")                          \
    X(BUILD_INFO, "erlgate_build_info", GAUGE, "The version that runs, and the name of its node.")     \
    X(CERTIFICATE, "erlgate_certificate_expiry_timestamp_seconds", GAUGE,                              \
      "When a certificate of ours expires: of https, or of dist, the links.")                          \
    X(RELOADS, "erlgate_config_reloads_total", COUNTER,                                                \
      "Times that the configuration was read again, by result: ok, or failed, which changes nothing.") \
    X(RELOADED, "erlgate_config_last_reload_success_timestamp_seconds", GAUGE,                         \
      "When the configuration that is in force was read.")                                             \
    X(RELOAD_OK, "erlgate_config_last_reload_successful", GAUGE,                                       \
      "Was the configuration good when it was last read?")                                             \
    X(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, "User and system time of the process.")       \
    X(PROCESS_RESIDENT, "process_resident_memory_bytes", GAUGE, "Memory that the process has in RAM.") \
    X(PROCESS_VIRTUAL, "process_virtual_memory_bytes", GAUGE, "Address space of the process.")         \
    X(PROCESS_FDS, "process_open_fds", GAUGE, "Descriptors that are open.")                            \
    X(PROCESS_MAX_FDS, "process_max_fds", GAUGE, "As many descriptors may be open.")                   \
    X(PROCESS_START, "process_start_time_seconds", GAUGE, "When the process started, since 1970.")

#define METRICS_TABLE(X)  \
    METRICS_HTTP_TABLE(X) \
    METRICS_WHO_TABLE(X)  \
    METRICS_CALLS_TABLE(X) METRICS_STREAMS_TABLE(X) METRICS_NODE_TABLE(X) METRICS_SELF_TABLE(X)

#endif
