-- What wrk sends, and its result as a line of JSON. From the environment: the headers as lines, the body, and the
-- conversations that take turns, where there are any.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^\n:]+): ([^\n]+)") do wrk.headers[name] = value end

local conversations = {}
for id in (os.getenv("BENCH_CONVERSATIONS") or ""):gmatch("%S+") do conversations[#conversations + 1] = id end

if #conversations > 0 then
  local turn = 0
  request = function()
    turn = turn % #conversations + 1
    wrk.headers["x-conversation-id"] = conversations[turn]
    return wrk.format()
  end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failures":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
