-- wrk.lua - wrk's result as one line of JSON, at the end of its output.
function done(summary, latency, requests)
	local e = summary.errors
	print(string.format('{"seconds": %.3f, "requests": %d, "bytes": %d, "errors": %d, ' ..
	    '"latency_us": {"p50": %d, "p90": %d, "p99": %d, "p999": %d, "max": %d}}',
	    summary.duration / 1e6, summary.requests, summary.bytes,
	    e.connect + e.read + e.write + e.status + e.timeout,
	    latency:percentile(50), latency:percentile(90), latency:percentile(99),
	    latency:percentile(99.9), latency.max))
end
