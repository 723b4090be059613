-- wrk's part: each request posts the body of the file that BENCH_BODY names, to the paths in BENCH_PATHS (one a line) in turn
-- if that is set; at the end one line of JSON is printed.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

local paths, requests, at = os.getenv("BENCH_PATHS"), {}, 0

-- Only if there are several: the request would otherwise be made anew each time.
if paths then
   function init()
      for path in paths:gmatch("[^\n]+") do
         requests[#requests + 1] = wrk.format(nil, path)
      end
   end

   function request()
      at = at % #requests + 1
      return requests[at]
   end
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      '@@{"requests":%d,"us":%d,"bytes":%d,"errors":%d,"p50":%d,"p99":%d,"p999":%d}\n',
      summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
