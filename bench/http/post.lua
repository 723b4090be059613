-- wrk's part: each request posts the body of the file that BENCH_BODY names; at the end one line of JSON is printed.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '@@{"requests":%d,"us":%d,"bytes":%d,"errors":%d,"p50":%d,"p99":%d,"p999":%d}\n',
      summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
