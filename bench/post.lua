-- wrk's side of bench/run: the same signed order again and again, each under a new delivery id, as Shopify does.
-- wrk -s post.lua URL -- FOLDER PREFIX: FOLDER holds `head` (request line and headers up to the id) and `body`.
local head, body, count = nil, nil, 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  head = read(args[1] .. "/head") .. args[2] .. "-"
  body = "\r\n\r\n" .. read(args[1] .. "/body")
end

function request()
  count = count + 1
  return head .. count .. body
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
